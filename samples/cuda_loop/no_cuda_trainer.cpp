// What stands for cuda_trainer.cu in a build without CUDA.
#include <stdexcept>

#include "trainer.hpp"

namespace cuda_loop {

std::unique_ptr<Trainer> make_cuda_trainer(const std::string& device, std::uint32_t, float) {
    throw std::runtime_error("device " + device + ": this program was built without CUDA");
}

}  // namespace cuda_loop
