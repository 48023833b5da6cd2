// A strip is `lanes` neighbouring columns of a block: rows in, halves of lane pairs out, and back. Rows are pointers to column 0.
#pragma once
#include <cstdint>

namespace faltung {

// Half of each row's pair: rows[y][0 ... lanes - 1] into strip + at[y].
template <class T, class S, int L>
void take_columns(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* strip) {
  for (int64_t y = 0; y < n; ++y) {
    const S* from = reinterpret_cast<const S*>(rows[y] + offset);
    T* to = strip + at[y];
    for (int l = 0; l < L; ++l) to[l] = T(from[l]);
  }
}

// The same of complex rows (re, im, re, im ...) into whole pairs.
template <class T, class S, int L>
void take_complex_columns(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* strip) {
  for (int64_t y = 0; y < n; ++y) {
    const S* from = reinterpret_cast<const S*>(rows[y] + offset);
    T* to = strip + at[y];
    for (int l = 0; l < L; ++l) to[l] = T(from[2 * l]), to[L + l] = T(from[2 * l + 1]);
  }
}

template <class T, class S, int L>
void give_columns(const T* strip, const int64_t* at, int64_t n, char* const* rows, int64_t offset) {
  for (int64_t y = 0; y < n; ++y) {
    if (!rows[y]) continue;
    const T* from = strip + at[y];
    S* to = reinterpret_cast<S*>(rows[y] + offset);
    for (int l = 0; l < L; ++l) to[l] = S(from[l]);
  }
}

template <class T, class S, int L>
void give_complex_columns(const T* strip, const int64_t* at, int64_t n, char* const* rows, int64_t offset) {
  for (int64_t y = 0; y < n; ++y) {
    if (!rows[y]) continue;
    const T* from = strip + at[y];
    S* to = reinterpret_cast<S*>(rows[y] + offset);
    for (int l = 0; l < L; ++l) to[2 * l] = S(from[l]), to[2 * l + 1] = S(from[L + l]);
  }
}

template <class T>
using TakeColumns = void (*)(const char* const*, int64_t, const int64_t*, int64_t, T*);
template <class T>
using GiveColumns = void (*)(const T*, const int64_t*, int64_t, char* const*, int64_t);

template <class T, class S>
TakeColumns<T> take_columns_of(int lanes, bool complex) {
  switch (lanes) {
    case 2:
      return complex ? take_complex_columns<T, S, 2> : take_columns<T, S, 2>;
    case 4:
      return complex ? take_complex_columns<T, S, 4> : take_columns<T, S, 4>;
    case 8:
      return complex ? take_complex_columns<T, S, 8> : take_columns<T, S, 8>;
    default:
      return complex ? take_complex_columns<T, S, 16> : take_columns<T, S, 16>;
  }
}

template <class T, class S>
GiveColumns<T> give_columns_of(int lanes, bool complex) {
  switch (lanes) {
    case 2:
      return complex ? give_complex_columns<T, S, 2> : give_columns<T, S, 2>;
    case 4:
      return complex ? give_complex_columns<T, S, 4> : give_columns<T, S, 4>;
    case 8:
      return complex ? give_complex_columns<T, S, 8> : give_columns<T, S, 8>;
    default:
      return complex ? give_complex_columns<T, S, 16> : give_columns<T, S, 16>;
  }
}

}  // namespace faltung
