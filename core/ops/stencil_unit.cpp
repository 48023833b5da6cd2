// One unit of work: a strip of rows and a block of columns of one batch item.
#include <algorithm>

#include "core/ops/stencil_run.h"

namespace faltung {
// Where the lines of a panel start: its outer taps applied. Null: the whole panel lies in the constant.
template <class T>
const char* StencilCorrelation<T>::plane_of(const Unit& u, int64_t panel) const {
  const char* plane = u.in;
  int64_t rest = panel / int64_t(s_.class_taps.size());
  for (size_t a = s_.roles.outer.size(); a-- > 0;) {
    const ConvAxis& axis = s_.roles.outer[a];
    const int64_t z = u.outer[a] * axis.stride + rest % axis.taps * axis.dilation - axis.pad;
    rest /= axis.taps;
    const int64_t at = boundary_index(z, axis.in, axis.boundary);
    if (at < 0) return nullptr;
    plane += at * axis.in_step;
  }
  return plane;
}

// The line that an entry of the row table stands for; null for a line of the constant.
template <class T>
const char* StencilCorrelation<T>::line_of(const Unit& u, const char* plane, int64_t panel,
                                           int64_t entry) const {
  if (!plane) return nullptr;
  const ConvAxis& rows = s_.roles.rows;
  const int64_t y = (u.row_class + s_.row_classes * (u.row_begin + entry)) * rows.stride +
                    panel % int64_t(s_.class_taps.size()) * rows.dilation - rows.pad;
  if (y >= 0 && y < rows.in) return plane + y * rows.in_step;
  const int64_t from = boundary_index(y, rows.in, rows.boundary);
  return from < 0 ? nullptr : plane + from * rows.in_step;
}

template <class T>
void StencilCorrelation<T>::store_rows(const Unit& u, int64_t row, int64_t rows, Interval columns, const T* c,
                                       int64_t ldc, Workspace& w) const {
  const Roles& roles = s_.roles;
  const ConvAxis& line = roles.line;
  const int64_t item = kItemSize[int(problem_.out)];
  const auto store = convert_.store[int(problem_.out)];
  if (s_.out_in_place) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t y = u.row_class + s_.row_classes * (u.row_begin + row + r);
      T* dst = reinterpret_cast<T*>(u.out + y * roles.rows.out_step) + columns.begin * roles.group;
      for (int64_t i = 0; i < columns.size() * roles.group; ++i) dst[i] = c[r * ldc + i];
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t y = u.row_class + s_.row_classes * (u.row_begin + row + r);
    char* dst = u.out + y * s_.roles.rows.out_step + columns.begin * line.out_step;
    const T* src = c + r * ldc;
    if (roles.contiguous(roles.out_inner, item))
      w.reported |= store(src, dst, {columns.size(), roles.group, line.out_step, item}, problem_.store);
    else if (roles.parts == 1)
      w.reported |=
          store(src, dst, {columns.size(), roles.group, line.out_step, roles.out_inner}, problem_.store);
    else
      for (int64_t i = 0; i < columns.size(); ++i, src += roles.group, dst += line.out_step)
        w.reported |= store(src, dst, {roles.fused, roles.parts, roles.out_inner, item}, problem_.store);
  }
}

// Columns whose windows lie inside: the tiles read the array itself.
template <class T>
void StencilCorrelation<T>::direct_columns(const Unit& u, Interval columns, Workspace& w) const {
  const ConvAxis& line = s_.roles.line;
  const int64_t group = s_.roles.group, elements = columns.size() * group, x = columns.begin * group;
  w.sweeper.resolve(u.weights, s_.direct);
  const auto in_place = [&](const char* plane, int64_t panel, int64_t entry) {
    const char* p = line_of(u, plane, panel, entry);
    if (p) return reinterpret_cast<const T*>(p) - line.pad * group;
    if (!w.filled) packer_.fill_line(w.fill, int64_t(fill_bytes_ / sizeof(T)));
    w.filled = true;
    return const_cast<const T*>(w.fill) - x;
  };
  const ConvAxis& rows = s_.roles.rows;
  const auto out_line = [&](int64_t row) {
    return reinterpret_cast<T*>(u.out +
                                (u.row_class + s_.row_classes * (u.row_begin + row)) * rows.out_step) +
           x;
  };
  if (s_.blocked_line) {
    const int64_t entries = shapes_.limits().tall_rows + s_.block_rows;
    for (int64_t row = 0; row < u.rows(); ++row) {
      for (int64_t p = 0; p < s_.panels; ++p) {
        const T* start = in_place(plane_of(u, p), p, row);
        for (int64_t i = 0; i < entries; ++i) w.table[p * s_.panel_stride + i] = start + i * s_.block;
      }
      if (s_.out_in_place) {
        w.sweeper.blocked_line(w.table, s_.direct, x, elements, out_line(row), true);
        continue;
      }
      for (int64_t done = 0; done < elements;) {
        int64_t n = std::min(tile_elements_, elements - done), begin = done;
        if (n < s_.block)
          n = s_.block, begin = elements - n;  // moved back: nothing beyond the window is read
        w.sweeper.blocked_line(w.table, s_.direct, x + begin, n, w.tile, true);
        const int64_t first = columns.begin + begin / group;
        store_rows(u, row, 1, {first, first + n / group}, w.tile, 0, w);
        done = begin + n;
      }
    }
    return;
  }
  const int64_t most = s_.panel_stride;
  for (int64_t p = 0; p < s_.panels; ++p) {
    const int64_t entries = u.rows() + s_.class_taps[size_t(p) % s_.class_taps.size()] - 1;
    const char* plane = plane_of(u, p);
    for (int64_t i = 0; i < entries; ++i) w.table[p * most + i] = in_place(plane, p, i);
  }
  for (int64_t r = 0, tile_rows = 0; r < u.rows(); r += tile_rows) {
    tile_rows = shapes_.next(u.rows() - r, u.rows(), s_.tall);
    const int64_t row = std::min(r, u.rows() - tile_rows);
    if (s_.out_in_place) {
      const int64_t ldc = rows.out == 1 ? 0 : rows.out_step * s_.row_classes / int64_t(sizeof(T));
      w.sweeper.row(w.table + row, s_.direct, tile_rows, x, elements, out_line(row), ldc, true, {});
      continue;
    }
    for (int64_t done = 0; done < columns.size();) {
      int64_t n = std::min(tile_elements_ / group, columns.size() - done);
      int64_t begin = done;
      if (n * group < shapes_.limits().lanes) {  // too narrow for a vector: take earlier columns along
        n = (shapes_.limits().lanes + group - 1) / group;
        begin = columns.size() - n;
      }
      w.sweeper.row(w.table + row, s_.direct, tile_rows, x + begin * group, n * group, w.tile, tile_elements_,
                    true, {});
      store_rows(u, row, tile_rows, {columns.begin + begin, columns.begin + begin + n}, w.tile,
                 tile_elements_, w);
      done = begin + n;
    }
  }
}

// Columns that are packed first: converted input, strides, and the borders of arrays that are else read in place.
template <class T>
void StencilCorrelation<T>::packed_columns(const Unit& u, const Layout& layout, const Interval* intervals,
                                           int count, Workspace& w) const {
  const ConvAxis& line = s_.roles.line;
  const int64_t group = s_.roles.group;
  const int64_t gap = count == 2 ? (line.taps - 1) * line.dilation : 0;
  const int64_t columns = intervals[0].size() + (count == 2 ? gap + intervals[1].size() : 0);
  const int64_t elements = columns * group;
  const int64_t round = s_.blocked_line ? s_.block : shapes_.limits().lanes;
  const int64_t ldc = (elements + round - 1) / round * round;
  const bool to_out = s_.out_in_place && count == 1 && elements >= round;
  w.sweeper.resolve(u.weights, layout);
  packer_.plan(layout, intervals, count, !to_out, w.line_plan);
  w.line_plan.gather.clear();
  if (s_.in_place) packer_.plan_gather(w.line_plan);
  const auto store = [&](int64_t row, int64_t rows) {
    store_rows(u, row, rows, intervals[0], w.tile, ldc, w);
    if (count == 2)
      store_rows(u, row, rows, intervals[1], w.tile + (intervals[0].size() + gap) * group, ldc, w);
  };
  const ConvAxis& rows = s_.roles.rows;
  const auto out_line = [&](int64_t row) {
    return reinterpret_cast<T*>(u.out +
                                (u.row_class + s_.row_classes * (u.row_begin + row)) * rows.out_step) +
           intervals[0].begin * group;
  };
  if (s_.blocked_line) {
    const int64_t entries = shapes_.limits().tall_rows + s_.block_rows;
    for (int64_t row = 0; row < u.rows(); ++row) {
      for (int64_t p = 0; p < s_.panels; ++p) {
        T* packed = w.lines + p * layout.length;
        packer_.pack(line_of(u, plane_of(u, p), p, row), layout, w.line_plan, packed);
        for (int64_t i = 0; i < entries; ++i) w.table[p * s_.panel_stride + i] = packed + i * s_.block;
      }
      if (to_out) {
        w.sweeper.blocked_line(w.table, layout, 0, elements, out_line(row), true);
        continue;
      }
      for (int64_t done = 0; done < elements; done += tile_elements_) {
        const int64_t n = std::min(tile_elements_, elements - done),
                      first = intervals[0].begin + done / group;
        w.sweeper.blocked_line(w.table, layout, done, n, w.tile, false);
        store_rows(u, row, 1, {first, first + n / group}, w.tile, 0, w);
      }
    }
    return;
  }
  // Each row of tiles packs the lines it is the first to read; while it computes, the cache fetches those of the next.
  const int64_t most_taps = *std::max_element(s_.class_taps.begin(), s_.class_taps.end());
  const int64_t tall = rows.out_step * s_.row_classes / int64_t(sizeof(T));
  const int64_t line_bytes = line.stride * line.in_step;
  const char* next_lines[32];
  int64_t packed_lines = 0;
  for (int64_t r = 0, tile_rows = 0; r < u.rows(); r += tile_rows) {
    tile_rows = shapes_.next(u.rows() - r, u.rows(), s_.tall);
    const int64_t row = std::min(r, u.rows() - tile_rows);
    const int64_t needed = row + tile_rows + most_taps - 1;
    for (int64_t p = 0; p < s_.panels; ++p) {
      const int64_t entries =
          std::min(needed, u.rows() + s_.class_taps[size_t(p) % s_.class_taps.size()] - 1);
      const char* plane = plane_of(u, p);
      for (int64_t i = packed_lines; i < entries; ++i) {
        T* packed = w.lines + (p * s_.panel_stride + i) * layout.length;
        packer_.pack(line_of(u, plane, p, i), layout, w.line_plan, packed);
        w.table[p * s_.panel_stride + i] = packed;
      }
    }
    packed_lines = needed;
    Ahead ahead;
    if (s_.tall && r + 2 * tile_rows <= u.rows()) {
      const char* plane = plane_of(u, s_.panels - 1);
      for (int64_t i = 0; i < tile_rows; ++i) {
        const char* next = line_of(u, plane, s_.panels - 1, needed + i);
        next_lines[i] = (next ? next : u.in) + intervals[0].begin * line_bytes;
      }
      ahead = {next_lines, shapes_.limits().lanes * line_bytes / group};
    }
    if (to_out) {
      w.sweeper.row(w.table + row, layout, tile_rows, 0, elements, out_line(row), tall, true, ahead);
    } else if (count == 1 && elements > tile_elements_) {
      // A converted output passes through the tile buffer piece by piece, which stays in L1.
      for (int64_t done = 0; done < elements; done += tile_elements_) {
        const int64_t n = std::min(tile_elements_, elements - done);
        w.sweeper.row(w.table + row, layout, tile_rows, done, n, w.tile, tile_elements_, false, ahead);
        const int64_t first = intervals[0].begin + done / group;
        store_rows(u, row, tile_rows, {first, first + n / group}, w.tile, tile_elements_, w);
        if (ahead.lines)
          for (int64_t i = 0; i < tile_rows; ++i) next_lines[i] += tile_elements_ / group * line_bytes;
      }
    } else {
      w.sweeper.row(w.table + row, layout, tile_rows, 0, elements, w.tile, ldc, false, ahead);
      store(row, tile_rows);
    }
  }
}

template <class T>
void StencilCorrelation<T>::run_unit(int64_t unit, const char* in, const char* kernel, char* out,
                                     const T* weights, Workspace& w) const {
  Unit u;
  u.in = in;
  u.out = out;
  const auto take = [&unit](int64_t n) {
    const int64_t at = unit % n;
    unit /= n;
    return at;
  };
  const auto part = [](int64_t i, int64_t n, int64_t count) { return i * n / count; };
  const ConvAxis& line = s_.roles.line;
  const ConvAxis& rows = s_.roles.rows;
  const int64_t block = take(s_.column_blocks);
  u.columns = {part(block, line.out, s_.column_blocks), part(block + 1, line.out, s_.column_blocks)};
  const int64_t strip = take(s_.row_strips);
  u.row_class = take(s_.row_classes);
  const int64_t class_rows =
      std::max<int64_t>(0, (rows.out - u.row_class + s_.row_classes - 1) / s_.row_classes);
  u.row_begin = std::min(strip * s_.strip_rows, class_rows);
  u.row_end = strip + 1 == s_.row_strips ? class_rows : std::min(u.row_begin + s_.strip_rows, class_rows);
  if (u.rows() == 0 || u.columns.size() == 0) return;
  for (size_t a = s_.roles.outer.size(); a-- > 0;) {
    u.outer[a] = take(s_.roles.outer[a].out);
    u.out += u.outer[a] * s_.roles.outer[a].out_step;
  }
  for (size_t b = s_.roles.batch.size(); b-- > 0;) {
    const int64_t at = take(s_.roles.batch[b].size);
    u.in += at * s_.roles.batch[b].in_step;
    u.out += at * s_.roles.batch[b].out_step;
  }
  u.weights = weights;
  if (s_.kernel_items > 1) {
    const int64_t item = unit;
    for (size_t b = s_.roles.kernels.size(); b-- > 0;) {
      const int64_t at = take(s_.roles.kernels[b].size);
      u.in += at * s_.roles.kernels[b].in_step;
      u.out += at * s_.roles.kernels[b].out_step;
      kernel += at * s_.roles.kernels[b].kernel_step;
    }
    if (w.kernel_item != item) {
      w.finite &= pack_weights(kernel, w.weights);
      w.kernel_item = item;
    }
    u.weights = w.weights;
  }

  if (!s_.in_place) return packed_columns(u, s_.packed, &u.columns, 1, w);
  const int64_t group = s_.roles.group, least = s_.blocked_line ? s_.block : shapes_.limits().lanes;
  Interval inner{std::max(u.columns.begin, s_.interior.begin), std::min(u.columns.end, s_.interior.end)};
  if (inner.size() * group < least) inner = {u.columns.end, u.columns.end};
  if (inner.size() > 0) direct_columns(u, inner, w);
  Interval borders[2] = {{u.columns.begin, inner.begin}, {inner.end, u.columns.end}};
  const int64_t gap = (line.taps - 1) * line.dilation;
  const bool both = borders[0].size() > 0 && borders[1].size() > 0;
  if (both && !s_.blocked_line &&
      (borders[0].size() + gap + borders[1].size()) * group <= shapes_.limits().lanes)
    return packed_columns(u, s_.border, borders, 2, w);
  for (const Interval& b : borders)
    for (int64_t at = b.begin; at < b.end; at += s_.border.capacity) {
      const Interval piece{at, std::min(b.end, at + s_.border.capacity)};
      packed_columns(u, s_.border, &piece, 1, w);
    }
}

template void StencilCorrelation<float>::run_unit(int64_t, const char*, const char*, char*, const float*,
                                                  Workspace&) const;
template void StencilCorrelation<double>::run_unit(int64_t, const char*, const char*, char*, const double*,
                                                   Workspace&) const;
template void StencilCorrelation<uint64_t>::run_unit(int64_t, const char*, const char*, char*,
                                                     const uint64_t*, Workspace&) const;

}  // namespace faltung
