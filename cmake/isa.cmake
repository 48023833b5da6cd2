# The flags of every instruction-set level, here and nowhere else. Ceilings (-mno-...) keep a compiler's own defaults from
# leaking a higher level into a lower unit; -march=native is never used. The kernels are built at -O3 in every configuration.
set(FALTUNG_KERNEL_FLAGS -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast)
set(FALTUNG_ISAS baseline)
set(FALTUNG_FLAGS_baseline "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND FALTUNG_ISAS avx2 avx512)
  set(FALTUNG_FLAGS_avx2 -mavx2 -mfma -mf16c -mno-avx512f)
  set(FALTUNG_FLAGS_avx512 -mavx512f -mavx512vl -mavx512bw -mavx512dq -mavx512cd -mavx2 -mfma -mf16c
      -mprefer-vector-width=512)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag("-mamx-tile -mamx-bf16 -mavx512bf16" FALTUNG_COMPILES_AMX)
  if(FALTUNG_COMPILES_AMX)
    list(APPEND FALTUNG_ISAS amx)
    # GCC 12 takes the undefined operands of its own intrinsics for mistakes.
    set(FALTUNG_FLAGS_amx ${FALTUNG_FLAGS_avx512} -mavx512bf16 -mamx-tile -mamx-bf16 -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endif()

# One object library per ISA: every unit of core/kernels/isa whose name ends in _<isa>.cpp.
function(faltung_add_isa isa)
  file(GLOB units CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/isa/*_${isa}.cpp)
  add_library(faltung_isa_${isa} OBJECT ${units})
  target_compile_options(faltung_isa_${isa} PRIVATE ${FALTUNG_KERNEL_FLAGS} ${FALTUNG_FLAGS_${isa}})
  target_include_directories(faltung_isa_${isa} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()

if(avx512 IN_LIST FALTUNG_ISAS)
  set(FALTUNG_HAVE_AVX2 1)
  set(FALTUNG_HAVE_AVX512 1)
  add_compile_definitions(FALTUNG_HAVE_AVX2=1 FALTUNG_HAVE_AVX512=1)
endif()
if(amx IN_LIST FALTUNG_ISAS)
  set(FALTUNG_HAVE_AMX 1)
  add_compile_definitions(FALTUNG_HAVE_AMX=1)
endif()
