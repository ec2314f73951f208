// A stream that stands still as long as a test wants.
#pragma once

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <mutex>

#include "gpu/device_memory.hpp"

namespace headrace {

// What is enqueued behind hold() on a stream does not begin before open(), which the destructor
// calls too. Until then the test may call nothing that waits for the stream, or that CUDA makes
// wait for it: no allocation, no freeing.
class Gate {
  public:
    Gate() = default;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    // CUDA's thread may be inside: the stream must have passed.
    ~Gate() {
        open();
        if (stream_ != nullptr) cudaStreamSynchronize(stream_);
    }

    void hold(cudaStream_t stream) {
        check_cuda(cudaLaunchHostFunc(stream, &Gate::pass, this), "cudaLaunchHostFunc");
        stream_ = stream;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        is_open_ = true;
        opened_.notify_all();
    }

  private:
    static void CUDART_CB pass(void* gate) {
        auto& self = *static_cast<Gate*>(gate);
        std::unique_lock lock(self.mutex_);
        self.opened_.wait(lock, [&] { return self.is_open_; });
    }

    std::mutex mutex_;
    std::condition_variable opened_;
    bool is_open_ = false;
    cudaStream_t stream_ = nullptr;
};

}  // namespace headrace
