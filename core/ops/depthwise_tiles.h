// A row of tiles: which widths cover a number of positions best.
#pragma once
#include <algorithm>
#include <vector>

#include "core/kernels/depthwise.h"

namespace faltung {

// The kernels of one table, by rows.
template <class T>
class DepthwiseTiles {
 public:
  // How n positions are covered: tiles of the main kernel, then one that may overlap them, or single positions.
  struct Cover {
    const DepthwiseKernel<T>*main, *rest;
    int64_t tiles, rests, rest_begin;
  };

  explicit DepthwiseTiles(const DepthwiseTable<T>& table) {
    for (int i = 0; i < table.count; ++i) {
      auto& kernels = kernels_[table.kernels[i].rows - 1];
      kernels.push_back(&table.kernels[i]);
    }
  }
  const DepthwiseKernel<T>& widest(int64_t rows) const { return *kernels_[rows - 1].front(); }
  bool has(int64_t rows) const { return !kernels_[rows - 1].empty(); }

  Cover cover(int64_t rows, int64_t n) const {
    const auto& kernels = kernels_[rows - 1];
    Cover best{};
    int64_t least = 0;
    for (const DepthwiseKernel<T>* main : kernels) {
      if (main->columns > n) continue;
      Cover c{main, nullptr, n / main->columns, 0, 0};
      const int64_t left = n - c.tiles * main->columns;
      int64_t cost = c.tiles * (main->columns + 1);
      if (left > 0) {
        for (const DepthwiseKernel<T>* k : kernels)
          if (k->columns >= left) c.rest = k;
        if (c.rest->columns > n) c.rest = kernels.back();  // no room for an overlap
        c.rests = c.rest->columns == 1 ? left : 1;
        c.rest_begin = n - c.rests * c.rest->columns;
        cost += c.rests * (c.rest->columns + 1 + (c.rest->columns == 1 ? 2 : 0));
      }
      if (!best.main || cost < least) best = c, least = cost;
    }
    return best;
  }

 private:
  std::vector<const DepthwiseKernel<T>*> kernels_[2];
};

}  // namespace faltung
