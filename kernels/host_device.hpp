// What lets one text be device code for nvcc and plain C++ for everybody else: the bodies of the
// kernels are functions for both, so that the tests run them on the host.
#pragma once

#ifdef __CUDACC__
#    define HEADRACE_HOST_DEVICE __host__ __device__
#else
#    define HEADRACE_HOST_DEVICE
#endif

// Before a loop that only makes sense unrolled, for it walks an array that shall lie in registers;
// and before one whose body is long and seldom run.
#ifdef __CUDA_ARCH__
#    define HEADRACE_UNROLL _Pragma("unroll")
#    define HEADRACE_DO_NOT_UNROLL _Pragma("unroll 1")
#else
#    define HEADRACE_UNROLL
#    define HEADRACE_DO_NOT_UNROLL
#endif

namespace headrace::kernels {

// std::min is for the host only.
template <class T>
HEADRACE_HOST_DEVICE constexpr T smaller(T a, T b) {
    return b < a ? b : a;
}

}  // namespace headrace::kernels
