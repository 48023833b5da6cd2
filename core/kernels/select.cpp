#include "core/kernels/select.h"

#include <stdexcept>

#if defined(FALTUNG_HAVE_AVX2) && defined(FALTUNG_HAVE_AVX512)
#define FALTUNG_PICK(family)                  \
  switch (vector_isa(isa)) {                  \
    case Isa::amx:                            \
    case Isa::avx512:                         \
      return faltung_##family##_avx512_table; \
    case Isa::avx2:                           \
      return faltung_##family##_avx2_table;   \
    case Isa::baseline:                       \
      break;                                  \
  }                                           \
  return faltung_##family##_baseline_table;
#else
#define FALTUNG_PICK(family) \
  (void)isa;                 \
  return faltung_##family##_baseline_table;
#endif

namespace faltung {

template <>
const StencilTable<float>& stencil_table<float>(Isa isa) {
  FALTUNG_PICK(stencil_f32)
}
template <>
const StencilTable<double>& stencil_table<double>(Isa isa) {
  FALTUNG_PICK(stencil_f64)
}
template <>
const StencilTable<uint64_t>& stencil_table<uint64_t>(Isa isa) {
  FALTUNG_PICK(stencil_u64)
}
template <>
const ConvertTable<float>& convert_table<float>(Isa isa) {
  FALTUNG_PICK(convert_f32)
}
template <>
const ConvertTable<double>& convert_table<double>(Isa isa) {
  FALTUNG_PICK(convert_f64)
}
template <>
const ConvertTable<uint64_t>& convert_table<uint64_t>(Isa isa) {
  FALTUNG_PICK(convert_u64)
}
template <>
const LinesTable<float>& lines_table<float>(Isa isa) {
  FALTUNG_PICK(lines_f32)
}
template <>
const LinesTable<double>& lines_table<double>(Isa isa) {
  FALTUNG_PICK(lines_f64)
}
template <>
const ColumnsTable<float>& columns_table<float>(Isa isa) {
  FALTUNG_PICK(columns_f32)
}
template <>
const ColumnsTable<double>& columns_table<double>(Isa isa) {
  FALTUNG_PICK(columns_f64)
}
template <>
const SpectralTable<float>& spectral_table<float>(Isa isa) {
  FALTUNG_PICK(spectral_f32)
}
template <>
const SpectralTable<double>& spectral_table<double>(Isa isa) {
  FALTUNG_PICK(spectral_f64)
}
template <>
const DepthwiseTable<float>& depthwise_table<float>(Isa isa) {
  FALTUNG_PICK(depthwise_f32)
}
template <>
const DepthwiseTable<double>& depthwise_table<double>(Isa isa) {
  FALTUNG_PICK(depthwise_f64)
}
template <>
const DepthwiseRowsTable<float>& depthwise_rows_table<float>(Isa isa) {
  FALTUNG_PICK(depthwise_rows_f32)
}
template <>
const DepthwiseRowsTable<double>& depthwise_rows_table<double>(Isa isa) {
  FALTUNG_PICK(depthwise_rows_f64)
}
template <>
const EpilogueTable<float>& epilogue_table<float>(Isa isa) {
  FALTUNG_PICK(epilogue_f32)
}
template <>
const EpilogueTable<double>& epilogue_table<double>(Isa isa) {
  FALTUNG_PICK(epilogue_f64)
}
template <>
const TurnTable<float>& turn_table<float>(Isa isa) {
  FALTUNG_PICK(turn_f32)
}
template <>
const TurnTable<double>& turn_table<double>(Isa isa) {
  FALTUNG_PICK(turn_f64)
}
template <>
const GemmTable<float>& gemm_table<float>(Isa isa) {
  FALTUNG_PICK(gemm_f32)
}
template <>
const GemmTable<double>& gemm_table<double>(Isa isa) {
  FALTUNG_PICK(gemm_f64)
}
template <>
const GroupedTable<float>& grouped_table<float>(Isa isa) {
  FALTUNG_PICK(grouped_f32)
}
template <>
const GroupedTable<double>& grouped_table<double>(Isa isa) {
  FALTUNG_PICK(grouped_f64)
}
template <>
const GradientTable<float>& gradient_table<float>(Isa isa) {
  FALTUNG_PICK(gradient_f32)
}
template <>
const GradientTable<double>& gradient_table<double>(Isa isa) {
  FALTUNG_PICK(gradient_f64)
}
template <>
const GroupedLanesTable<float>& grouped_lanes_table<float>(Isa isa) {
  FALTUNG_PICK(grouped_lanes_f32)
}
template <>
const GroupedLanesTable<double>& grouped_lanes_table<double>(Isa isa) {
  FALTUNG_PICK(grouped_lanes_f64)
}

const MatrixTable& matrix_table(Isa isa) {
#ifdef FALTUNG_HAVE_AMX
  if (isa == Isa::amx) return faltung_matrix_bf16_amx_table;
#else
  (void)isa;
#endif
  throw std::invalid_argument("this instruction set has no matrix unit");
}

}  // namespace faltung
