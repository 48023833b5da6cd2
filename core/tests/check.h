// Checks without a framework: a failed one says where and lets the test go on; main() counts.
#pragma once

#include <functional>
#include <iostream>
#include <string>
#include <vector>

namespace faltung::tests {

struct Test {
  const char* name;
  std::function<void()> run;
  bool row = false;  // of a kernel table: one of hundreds
};

inline std::vector<Test>& registry() {
  static std::vector<Test> tests;
  return tests;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, std::function<void()> run) { registry().push_back({name, std::move(run)}); }
};

/// Failures of the running test that have been shown; the rest is only counted.
inline int& shown() {
  static int count = 0;
  return count;
}

inline void report(const char* file, int line, const std::string& what) {
  constexpr int most_shown = 5;
  ++failures();
  if (++shown() > most_shown) return;
  std::cerr << file << ":" << line << ": " << what << std::endl;
}

}  // namespace faltung::tests

#define FALTUNG_TEST(name)                                                         \
  static void name();                                                              \
  static const ::faltung::tests::Registration registration_of_##name(#name, name); \
  static void name()

#define CHECK(...)                                                                             \
  do {                                                                                         \
    if (!(__VA_ARGS__)) ::faltung::tests::report(__FILE__, __LINE__, "not so: " #__VA_ARGS__); \
  } while (false)

/// A check that names its case: ends the calling function where it fails, for the next case would fail too.
#define REQUIRE(condition, text)                            \
  do {                                                      \
    if (!(condition)) {                                     \
      ::faltung::tests::report(__FILE__, __LINE__, (text)); \
      return;                                               \
    }                                                       \
  } while (false)

/// The expression throws `Exception`, and the text of it contains `text`.
#define CHECK_THROWS(Exception, text, ...)                                                            \
  do {                                                                                                \
    std::string caught_text = "nothing was thrown";                                                   \
    bool caught_right = false;                                                                        \
    try {                                                                                             \
      static_cast<void>(__VA_ARGS__);                                                                 \
    } catch (const Exception& exception) {                                                            \
      caught_text = exception.what();                                                                 \
      caught_right = caught_text.find(text) != std::string::npos;                                     \
    }                                                                                                 \
    if (!caught_right) ::faltung::tests::report(__FILE__, __LINE__, #__VA_ARGS__ ": " + caught_text); \
  } while (false)
