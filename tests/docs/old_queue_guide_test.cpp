// The code of docs/from-the-python-queue.md, run as it stands there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "headrace/headrace.hpp"

namespace headrace {
namespace {

struct Sample {
    std::vector<float> floats;
    std::vector<std::int32_t> ints;
};

// What the guide promises of trailing zeros and of the end holds.
TEST(OldQueueGuideTest, CarriesTheClassicPairToItsEnd) {
    const std::vector<Sample> samples = {{{1, 2, 0}, {7}}, {{}, {}}, {{0}, {0, 0}}};
    std::vector<Sample> trained;
    const auto train = [&](std::span<const float> floats, std::span<const std::int32_t> ints) {
        trained.push_back({{floats.begin(), floats.end()}, {ints.begin(), ints.end()}});
    };
    const std::string name = "old-queue-guide-" + std::to_string(getpid());
    auto ring = headrace::Ring::create(
        {.name = name, .schema = headrace::Schema::float_int(64'000, 256), .slots = 64});
    std::thread process([&] {
        auto producer = headrace::Producer::attach(name);
        for (const Sample& sample : samples) {
            if (producer.put(sample.floats, sample.ints) == headrace::Outcome::end) break;
        }
    });
    headrace::Consumer consumer = ring.consumer();
    while (auto record = consumer.get()) {
        std::span<const float> floats = record->field<float>("floats");  // without the padding
        std::span<const std::int32_t> ints = record->field<std::int32_t>("ints");
        train(floats, ints);
    }
    process.join();
    ASSERT_EQ(trained.size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
        EXPECT_EQ(trained[i].floats, samples[i].floats);
        EXPECT_EQ(trained[i].ints, samples[i].ints);
    }
}

}  // namespace
}  // namespace headrace
