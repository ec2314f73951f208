// A ring of the test's own process whose records several consumer processes share, and what they
// say that they were given: headrace_test_actor's part "take".
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "process/process_fixture.hpp"

namespace headrace {

class ConsumerProcessTest : public ProcessTest {
  protected:
    // How often an index came to somebody, one number each time: of the consumers that had it
    // before.
    using Deaths = std::vector<std::uint32_t>;

    RingOptions options(std::uint64_t epoch_records, std::uint32_t slots = 16) {
        RingOptions options = ProcessTest::options(epoch_records, slots);
        options.shared_consumers = true;
        return options;
    }
    std::vector<std::string> taker(const std::string& name, std::vector<std::string> part = {}) {
        std::vector<std::string> arguments{HEADRACE_TEST_ACTOR, "take",   "test",
                                           directory_,          "--name", name};
        arguments.insert(arguments.end(), part.begin(), part.end());
        return arguments;
    }
    Child take(const std::string& name, std::vector<std::string> part = {}) {
        return Child(taker(name, std::move(part)));
    }
    // All that they have said, and all of one.
    std::vector<std::string> said_of_given() const {
        std::ifstream file(directory_ + "/given");
        std::vector<std::string> lines;
        for (std::string line; std::getline(file, line);) lines.push_back(line);
        return lines;
    }
    std::vector<std::string> said_of_given_by(const std::string& name) const {
        std::vector<std::string> lines;
        for (const std::string& line : said_of_given()) {
            if (line.starts_with(name + " ")) lines.push_back(line.substr(name.size() + 1));
        }
        return lines;
    }
    bool was_given(const std::string& name, const std::string& what) const {
        const std::vector<std::string> lines = said_of_given_by(name);
        return std::ranges::find(lines, what) != lines.end();
    }
    // Each index, and how it came to whom.
    std::map<std::uint64_t, Deaths> given() const {
        std::map<std::uint64_t, Deaths> all;
        for (const std::string& line : said_of_given()) {
            std::istringstream words(line);
            std::string name;
            std::uint64_t index = 0;
            std::uint32_t deaths = 0;
            if (words >> name >> index >> deaths) all[index].push_back(deaths);
        }
        return all;
    }
    static std::map<std::uint64_t, Deaths> each_once(std::uint64_t records) {
        std::map<std::uint64_t, Deaths> all;
        for (std::uint64_t index = 0; index < records; ++index) all[index] = {0};
        return all;
    }
    // The first `records` of a ring that is ever to be full before anybody takes from it.
    static void await_ready(const Ring& ring, std::uint64_t records) {
        ASSERT_TRUE(eventually([&] { return ring.stats().ready == records; }));
    }
    static std::size_t waiting_consumers(const Ring& ring) {
        const Stats stats = ring.stats();
        return static_cast<std::size_t>(
            std::ranges::count_if(stats.consumers, [](const ConsumerStats& consumer) {
                return consumer.state == ProducerState::attached && consumer.waited_s > 0;
            }));
    }
    static void await_waiting(const Ring& ring, std::size_t consumers) {
        ASSERT_TRUE(eventually([&] { return waiting_consumers(ring) >= consumers; }));
    }
    // Nobody is attached any more, and all of it is in the books.
    static Stats at_rest(const Ring& ring) {
        const auto is_there = [](const auto& member) {
            return member.state == ProducerState::attached;
        };
        EXPECT_TRUE(eventually([&] {
            const Stats stats = ring.stats();
            return std::ranges::none_of(stats.consumers, is_there) &&
                   std::ranges::none_of(stats.producers, is_there);
        }));
        const Stats stats = ring.stats();
        expect_balance(stats);
        return stats;
    }
    // All delivered, but so many holes; `again`: of the records, by way of a dead one.
    static void expect_books(const Ring& ring, std::uint64_t records, std::uint64_t holes,
                             std::uint64_t deaths, std::uint64_t again) {
        // What comes back is counted a moment after it has.
        EXPECT_TRUE(eventually([&] { return ring.stats().redelivered >= again; }));
        const Stats stats = at_rest(ring);
        EXPECT_EQ(stats.claimed, records);
        EXPECT_EQ(stats.delivered, records - holes);
        EXPECT_EQ(stats.lost, holes);
        EXPECT_EQ(stats.in_ring, 0u);
        EXPECT_EQ(stats.discarded, 0u);
        EXPECT_EQ(stats.deaths, deaths);
        EXPECT_EQ(stats.redelivered, again);
        EXPECT_EQ(stats.alarms, 0u) << "no wake-up was lost";
        std::uint64_t by_them = 0;
        for (const ConsumerStats& consumer : stats.consumers) by_them += consumer.delivered;
        EXPECT_EQ(by_them, stats.delivered) << "each as it counted itself";
    }
};

}  // namespace headrace
