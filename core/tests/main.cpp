// faltung_core_tests [part of a name]: runs the tests whose names contain it; exit status 1 where one failed.
// Those of single kernels are many: they are named where they fail, or where a name is asked for.
#include <cstring>
#include <exception>

#include "core/tests/check.h"

// These tests fork while threads run and start threads in the child, which ThreadSanitizer refuses by
// default. Visible, or its library does not find it.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}

int main(int argc, char** argv) {
  using namespace faltung::tests;
  int run = 0;
  for (const Test& test : registry()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    ++run;
    const int before = failures();
    shown() = 0;
    try {
      test.run();
    } catch (const std::exception& exception) {
      report(test.name, 0, std::string("threw: ") + exception.what());
    }
    const bool failed = failures() != before;
    if (failed || !test.row || argc > 1)
      std::cout << (failed ? "FAIL  " : "ok    ") << test.name << std::endl;
  }
  std::cout << run << " tests, " << failures() << " failures" << std::endl;
  return failures() == 0 && run > 0 ? 0 : 1;
}
