#include "core/tests/random_axes.h"

#include <algorithm>

namespace faltung::tests {
namespace {

Axis batch_axis(Random& random, std::int64_t most) {
  Axis axis;
  axis.convolved = false;
  axis.in = random.between(1, most);
  axis.own_kernels = random.one_in(4);
  axis.broadcast = random.one_in(8);
  return axis;
}

void pad(Random& random, Axis& axis) {
  axis.boundary = random.of({Boundary::constant, Boundary::constant, Boundary::edge, Boundary::reflect,
                             Boundary::symmetric, Boundary::wrap});
  const std::int64_t reach = axis.reach() - 1;
  switch (random.between(0, 5)) {
    case 0:
      break;
    case 1:
      axis.low = axis.high = reach;
      break;
    case 2:
      axis.low = random.between(0, 2 * axis.in + 3), axis.high = random.between(0, 2 * axis.in + 3);
      break;
    case 3:
      axis.low = random.between(-1, 2), axis.high = random.between(-1, 2);
      break;
    default:
      axis.low = reach / 2, axis.high = reach - reach / 2;
  }
  // One tap leaves the array on no side or on both: `pad` alone tells.
  if (axis.taps == 1 && axis.low == 0) axis.high = std::min<std::int64_t>(axis.high, 0);
  axis.high += std::max<std::int64_t>(0, axis.reach() - (axis.in + axis.low + axis.high));
  if (axis.taps == 1 && axis.low == 0 && axis.high > 0) axis.low = 1;
}

Axis convolved_axis(Random& random, std::int64_t most, std::int64_t most_taps) {
  Axis axis;
  axis.in = random.between(1, most);
  axis.taps = random.between(1, most_taps);
  axis.stride = random.one_in(2) ? 1 : random.between(1, 4);
  axis.dilation = random.one_in(2) ? 1 : random.between(1, 4);
  pad(random, axis);
  return axis;
}

// A size near a multiple of what the tiles are made of.
std::int64_t tile_size(Random& random, std::int64_t most) {
  const std::int64_t unit = random.of<std::int64_t>({1, 2, 4, 6, 8, 16, 20, 32, 48, 64, 160, 320});
  return std::clamp<std::int64_t>(
      unit * random.between(1, std::max<std::int64_t>(1, most / unit)) + random.between(-2, 2), 1, most);
}

Axis plain_axis(Random& random, std::int64_t in, std::int64_t taps, std::int64_t dilation = 1) {
  Axis axis;
  axis.in = in;
  axis.taps = taps;
  axis.dilation = dilation;
  if (random.one_in(6)) axis.stride = random.between(2, 4);
  pad(random, axis);
  return axis;
}

}  // namespace

std::vector<Axis> random_axes(Random& random, Family family) {
  std::vector<Axis> axes;
  const auto taps_of = [&](std::initializer_list<std::int64_t> choices) {
    return random.of<std::int64_t>(choices);
  };
  const auto insert = [&](std::int64_t at, const Axis& axis) {
    axes.push_back(axis);
    std::rotate(axes.begin() + at, axes.end() - 1, axes.end());
  };
  const auto insert_batch = [&](std::int64_t most) {
    const auto at = random.between(0, static_cast<std::int64_t>(axes.size()));
    insert(at, batch_axis(random, most));
  };
  switch (family) {
    case Family::any: {
      const std::int64_t rank = random.between(0, 4);
      constexpr std::int64_t most[] = {1, 90, 30, 12, 7};
      for (std::int64_t a = 0; a < rank; ++a)
        axes.push_back(convolved_axis(random, most[rank], rank == 1 ? 9 : 4));
      for (std::int64_t b = random.between(rank == 0, 2); b > 0; --b)
        insert_batch(random.of<std::int64_t>({3, 3, 20}));
      break;
    }
    case Family::line:
      axes.push_back(plain_axis(random, tile_size(random, 700),
                                taps_of({2, 3, 5, 8, 15, 16, 17, 31, 33, 48, 64, 65, 100, 257}),
                                taps_of({1, 1, 1, 2, 3, 5, 16})));
      if (random.one_in(3)) insert_batch(4);
      break;
    case Family::image:
      axes.push_back(plain_axis(random, tile_size(random, 64), taps_of({1, 2, 3, 4, 5, 7, 8, 9, 17}),
                                taps_of({1, 1, 1, 2, 3})));
      axes.push_back(plain_axis(random, random.one_in(8) ? 256 : tile_size(random, 130),
                                taps_of({1, 1, 2, 3, 5, 7}), taps_of({1, 1, 1, 2})));
      if (random.one_in(4)) insert_batch(4);
      if (random.one_in(8)) insert(0, convolved_axis(random, 3, 3));
      break;
    case Family::many_taps:
      axes.push_back(plain_axis(random, random.between(1, 30), random.between(5, 40)));
      axes.push_back(plain_axis(random, random.between(1, 40), random.between(5, 40)));
      if (random.one_in(3)) insert(0, plain_axis(random, 3, random.between(1, 3)));
      if (random.one_in(3)) insert_batch(3);
      break;
    case Family::far_taps:
      if (random.one_in(2))
        axes.push_back(plain_axis(random, random.between(1, 40), taps_of({1, 2, 3}), random.between(1, 30)));
      axes.push_back(
          plain_axis(random, tile_size(random, 300), taps_of({2, 3, 4, 7}), random.between(10, 200)));
      if (random.one_in(3)) insert_batch(4);
      break;
    case Family::strips:
      switch (random.between(0, 3)) {
        case 0:
          axes.push_back(plain_axis(random, random.between(97, 260), taps_of({1, 2, 3, 5})));
          axes.push_back(plain_axis(random, random.between(10, 80), taps_of({1, 2, 3})));
          break;
        case 1:
          axes.push_back(plain_axis(random, random.between(60, 110), taps_of({1, 2})));
          axes.push_back(plain_axis(random, random.between(1000, 2600), taps_of({1, 2})));
          break;
        case 2:
          axes.push_back(plain_axis(random, random.between(50000, 130000), 2));
          break;
        default:
          axes.push_back(batch_axis(random, 40));
          axes.push_back(plain_axis(random, random.between(1, 30), 3));
          axes.push_back(plain_axis(random, random.between(1, 40), 3));
      }
  }
  return axes;
}

}  // namespace faltung::tests
