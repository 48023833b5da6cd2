// Line conversions, baseline: the compiler vectorizes the loops of convert_impl.h for this level.
#include "core/kernels/convert_impl.h"

extern "C" const faltung::ConvertTable<float> faltung_convert_f32_baseline_table =
    faltung::convert_table<float, 16>();
extern "C" const faltung::ConvertTable<double> faltung_convert_f64_baseline_table =
    faltung::convert_table<double, 16>();
extern "C" const faltung::ConvertTable<uint64_t> faltung_convert_u64_baseline_table =
    faltung::convert_table<uint64_t, 16>();
