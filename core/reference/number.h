// One number of any type, for the definitions: exact on the way in, rounded once on the way out.
#pragma once
#include "core/kernels/convert.h"
#include "core/reference/wide.h"

namespace faltung {

using Real = long double;

bool is_integer(DType type);
bool is_signed(DType type);
Real load_real(const char* p, DType type);
uint64_t load_word(const char* p, DType type);  // the 64-bit word of an integer, extended by its sign
// Both report like ConvertTable::store.
bool store_real(Real y, char* p, DType type, Store how);
bool store_wide(const Wide& y, char* p, DType type, Store how);

}  // namespace faltung
