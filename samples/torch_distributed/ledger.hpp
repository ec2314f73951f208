// Which words a rank has learned from, in a file: so that others can add up what all ranks did.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "headrace/sampler.hpp"

namespace distributed {

/// One thread.
class Ledger {
  public:
    /// Begins the file anew; without a name nothing is kept. Throws std::runtime_error when it
    /// cannot be written.
    explicit Ledger(const std::string& path);

    /// A line for each record: `EPOCH PLACE ITEM`, where the place is that in the order of the
    /// epoch over all ranks. Written at once: what is killed later has told all the same.
    void enter(const headrace::Sampler& sampler, const std::vector<std::uint64_t>& indices);

  private:
    std::string path_;
    std::ofstream file_;
};

}  // namespace distributed
