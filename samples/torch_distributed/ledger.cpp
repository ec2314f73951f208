#include "ledger.hpp"

#include <stdexcept>

namespace distributed {
namespace {

// Each round of the ranks takes as many places as there are ranks, a rank's own number first.
std::uint64_t place_of(const headrace::Sampler& sampler, std::uint64_t index) {
    return sampler.global_position_of(index) + sampler.options().rank;
}

}  // namespace

Ledger::Ledger(const std::string& path) : path_(path) {
    if (path.empty()) return;
    file_.open(path, std::ios::trunc);
    if (!file_) throw std::runtime_error("cannot write " + path);
}

void Ledger::enter(const headrace::Sampler& sampler, const std::vector<std::uint64_t>& indices) {
    if (path_.empty()) return;
    for (const std::uint64_t index : indices) {
        file_ << sampler.epoch_of(index) << ' ' << place_of(sampler, index) << ' '
              << sampler.item_of(index) << '\n';
    }
    file_.flush();
    if (!file_) throw std::runtime_error("cannot write " + path_);
}

}  // namespace distributed
