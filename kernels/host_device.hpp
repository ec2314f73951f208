// What lets one text be device code for nvcc and plain C++ for everybody else: the bodies of the
// kernels are functions for both, so that the tests run them on the host.
#pragma once

#ifdef __CUDACC__
#define HEADRACE_HOST_DEVICE __host__ __device__
#define HEADRACE_UNROLL _Pragma("unroll")
#else
#define HEADRACE_HOST_DEVICE
#define HEADRACE_UNROLL
#endif

namespace headrace::kernels {

// std::min is for the host only.
template <class T>
HEADRACE_HOST_DEVICE constexpr T smaller(T a, T b) {
    return b < a ? b : a;
}

}  // namespace headrace::kernels
