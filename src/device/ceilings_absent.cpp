// What stands for the ceilings in a build without CUDA.
#include "device/ceilings.hpp"
#include "headrace/error.hpp"

namespace headrace::device {

std::unique_ptr<Ceilings> make_ceilings(const std::string& device) {
    throw UsageError("device " + device +
                     ": there is nothing to measure, for this build of Headrace has no CUDA; build "
                     "it with HEADRACE_CUDA=ON");
}

}  // namespace headrace::device
