// A ring of the test's own process whose producers are processes: headrace_test_actor.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "process/child.hpp"
#include "process/pattern.hpp"
#include "ring/proper_hello.hpp"
#include "ring/rendezvous.hpp"
#include "ring/ring_fixture.hpp"

namespace headrace {

inline constexpr std::uint32_t kCapacity = 64;

class ProcessTest : public RingFixture {
  protected:
    RingOptions options(std::uint64_t epoch_records, std::uint32_t slots = 16) {
        RingOptions options = RingFixture::options(epoch_records, slots);
        options.schema = Schema::float_int(kCapacity, 1);
        return options;
    }
    Child start(std::vector<std::string> part = {}) {
        std::vector<std::string> arguments{HEADRACE_TEST_ACTOR, "produce", "test", directory_};
        arguments.insert(arguments.end(), part.begin(), part.end());
        return Child(std::move(arguments));
    }
    // All records up to the end, in the order delivered; every byte checked.
    static std::vector<std::uint64_t> drain(Consumer& consumer) {
        std::vector<std::uint64_t> items;
        for (;;) {
            auto record = consumer.get();
            if (record.outcome() == Outcome::end) return items;
            if (!record) continue;
            EXPECT_TRUE(pattern::matches(record->item(), record->field<float>(0), kCapacity))
                << "record " << record->index();
            EXPECT_EQ(record->field<std::int32_t>(1)[0], static_cast<std::int32_t>(record->item()));
            items.push_back(record->item());
        }
    }
    // What a ring says, having been sent this by a connection of its own.
    static std::string refusal_of(int socket, const ring::Hello& hello) {
        EXPECT_TRUE(ring::send_message(socket, std::as_bytes(std::span(&hello, 1))));
        ring::Welcome welcome{};
        std::vector<ring::UniqueFd> fds;
        EXPECT_TRUE(eventually([&] {
            const auto bytes = std::as_writable_bytes(std::span(&welcome, 1));
            return ring::receive_message(socket, bytes, fds) > 0;
        }));
        EXPECT_EQ(welcome.accepted, 0u);
        EXPECT_TRUE(fds.empty());
        return {welcome.refusal, strnlen(welcome.refusal, sizeof(welcome.refusal))};
    }
    static std::vector<std::uint64_t> all_items(const Ring& ring, std::uint64_t records) {
        std::vector<std::uint64_t> items;
        for (std::uint64_t i = 0; i < records; ++i) items.push_back(ring.sampler()->item_of(i));
        return items;
    }
};

}  // namespace headrace
