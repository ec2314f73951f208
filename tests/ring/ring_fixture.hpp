// A folder of its own for the sockets of one test, and what rings in tests have in common.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "headrace/error.hpp"
#include "headrace/ring.hpp"

namespace headrace {

// Waits for a condition; never sleeps and hopes.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

class RingFixture : public testing::Test {
  protected:
    RingFixture() {
        std::string pattern = testing::TempDir() + "headrace-XXXXXX";
        directory_ = mkdtemp(pattern.data());
    }
    ~RingFixture() override { std::filesystem::remove_all(directory_); }

    // A ring of the classic pair: 32 floats, 4 ints. epoch_records 0: a stream ring.
    RingOptions options(std::uint64_t epoch_records = 0, std::uint32_t slots = 16) {
        return {.name = "test",
                .schema = Schema::float_int(32, 4),
                .slots = slots,
                .epoch_records = epoch_records,
                .epochs = epoch_records != 0 ? 1u : 0u,
                .directory = directory_,
                .on_message = [this](const Message& message) {
                    const std::lock_guard lock(mutex_);
                    messages_ += message.text + "\n";
                }};
    }
    std::string messages() {
        const std::lock_guard lock(mutex_);
        return messages_;
    }
    bool said(const std::string& text) { return messages().find(text) != std::string::npos; }

    static std::string error_of(const std::function<void()>& work) {
        try {
            work();
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    }

    static void expect_balance(const Stats& stats) {
        EXPECT_EQ(stats.claimed,
                  stats.delivered + stats.in_ring + stats.prefetched + stats.lost + stats.discarded)
            << "delivered " << stats.delivered << ", in the ring " << stats.in_ring
            << ", prefetched " << stats.prefetched << ", lost " << stats.lost << ", discarded "
            << stats.discarded;
    }

    std::string directory_;

  private:
    std::mutex mutex_;
    std::string messages_;
};

}  // namespace headrace
