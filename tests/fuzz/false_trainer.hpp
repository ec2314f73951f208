// The attaching side of the rendezvous: somebody listens under a ring's name and answers what the
// input says, with whatever memory it says.
#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "fuzz/descriptors.hpp"
#include "fuzz/input.hpp"
#include "gtest/temporary_folder.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::fuzz {

class FalseTrainer {
  public:
    FalseTrainer();
    void run(Input& input);

  private:
    [[noreturn]] void serve();
    ring::UniqueFd make_memory(Input& input, std::uint64_t& bytes);

    TemporaryFolder folder_;
    ring::UniqueFd listener_, own_;
    Descriptors descriptors_;
    std::mutex mutex_;  // over what the next one who comes is answered
    std::vector<std::byte> answer_;
    std::vector<int> fds_;
};

}  // namespace headrace::fuzz
