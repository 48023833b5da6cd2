// From an instruction set to its tables.
#pragma once
#include <string>

#include "core/base/cpu.h"
#include "core/kernels/convert.h"
#include "core/kernels/depthwise.h"
#include "core/kernels/depthwise_rows.h"
#include "core/kernels/epilogue.h"
#include "core/kernels/gemm.h"
#include "core/kernels/gradient.h"
#include "core/kernels/grouped.h"
#include "core/kernels/grouped_lanes.h"
#include "core/kernels/matrix.h"
#include "core/kernels/separable.h"
#include "core/kernels/spectral.h"
#include "core/kernels/stencil.h"
#include "core/kernels/turn.h"

namespace faltung {

template <class T>
const StencilTable<T>& stencil_table(Isa isa);
template <class T>
const ConvertTable<T>& convert_table(Isa isa);
template <class T>
const LinesTable<T>& lines_table(Isa isa);
template <class T>
const ColumnsTable<T>& columns_table(Isa isa);
template <class T>
const SpectralTable<T>& spectral_table(Isa isa);
template <class T>
const DepthwiseTable<T>& depthwise_table(Isa isa);
template <class T>
const DepthwiseRowsTable<T>& depthwise_rows_table(Isa isa);
template <class T>
const EpilogueTable<T>& epilogue_table(Isa isa);
template <class T>
const TurnTable<T>& turn_table(Isa isa);
template <class T>
const GemmTable<T>& gemm_table(Isa isa);
template <class T>
const GroupedTable<T>& grouped_table(Isa isa);
template <class T>
const GradientTable<T>& gradient_table(Isa isa);
template <class T>
const GroupedLanesTable<T>& grouped_lanes_table(Isa isa);
// Throws std::invalid_argument where the instruction set has no matrix unit.
const MatrixTable& matrix_table(Isa isa);

}  // namespace faltung
