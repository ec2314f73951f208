// The code of docs/consumers.md, run as it stands there, in processes of their own where the guide
// says so.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "headrace/headrace.hpp"

namespace headrace {
namespace {

constexpr std::uint64_t kRecords = 500;

// How often each item was stored, by whichever process.
class Answers {
  public:
    Answers()
        : times_(static_cast<std::atomic<int>*>(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
    ~Answers() { ::munmap(times_, kBytes); }
    Answers(const Answers&) = delete;
    Answers& operator=(const Answers&) = delete;
    std::atomic<int>& of(std::uint64_t item) { return times_[item]; }
    std::vector<int> all() const { return {times_, times_ + kRecords}; }

  private:
    static constexpr std::size_t kBytes = kRecords * sizeof(std::atomic<int>);
    std::atomic<int>* times_;
};

// A process that does this, made before there are threads. It attaches when there is a ring.
class Worker {
  public:
    explicit Worker(const std::function<void()>& work) : pid_(::fork()) {
        if (pid_ != 0) return;
        try {
            work();
        } catch (...) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    ~Worker() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        wait();
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    // How it ended, as waitpid() tells it.
    int wait() {
        int status = -1;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }

  private:
    pid_t pid_;
};

class ConsumersGuideTest : public ::testing::Test {
  protected:
    std::string name = "consumers-guide-" + std::to_string(getpid());
    Answers answers;

    static float evaluate(std::span<const float> wave) {
        return std::accumulate(wave.begin(), wave.end(), 0.0f);
    }
    // As the producers made it.
    void store(std::uint64_t item, float answer) {
        if (answer == static_cast<float>(item)) ++answers.of(item);
    }
    bool is_stored(std::uint64_t item) { return answers.of(item) != 0; }
    static void produce(Producer producer) {
        while (auto record = producer.claim()) {
            record->field<float>("wave")[0] = static_cast<float>(record->item());
            record->publish(1);
        }
    }
    static RingOptions options(const std::string& name, std::uint64_t epochs) {
        return {.name = name,
                .schema = {{"wave", f32, 1'000}},
                .slots = 64,
                .epoch_records = kRecords,
                .epochs = epochs,
                .shared_consumers = true};
    }

    void evaluate_all(headrace::Consumer consumer) {
        while (auto record = consumer.get()) {
            const float answer = evaluate(record->field<float>("wave"));
            store(record->item(), answer);  // before the record is given back
        }
    }
};

TEST_F(ConsumersGuideTest, EvaluatesEachRecordOnceInSeveralProcesses) {
    const auto work = [this] {
        auto consumer = headrace::Consumer::attach(name);
        evaluate_all(std::move(consumer));
    };
    Worker first(work), second(work);
    auto ring = headrace::Ring::create({.name = name,
                                        .schema = {{"wave", headrace::f32, 1'000}},
                                        .slots = 64,
                                        .epoch_records = 500,
                                        .epochs = 1,
                                        .shared_consumers = true});
    std::thread producer([&] { produce(ring.producer()); });
    evaluate_all(ring.consumer());  // returns when no record is left, nor can come back
    // All of them, whoever it was.
    EXPECT_EQ(answers.all(), std::vector<int>(kRecords, 1));
    EXPECT_EQ(ring.stats().delivered, kRecords);
    EXPECT_EQ(first.wait(), 0);
    EXPECT_EQ(second.wait(), 0);
    producer.join();
    EXPECT_EQ(ring.stats().redelivered, 0u);
}

TEST_F(ConsumersGuideTest, PassesOverWhatADeadConsumerHadStored) {
    Worker worker([this] {
        auto consumer = headrace::Consumer::attach(name);
        auto record = consumer.get();
        store(record->item(), evaluate(record->field<float>("wave")));
        auto next = consumer.get();
        ::raise(SIGKILL);  // holds two records, and has stored one of them
    });
    Ring ring = Ring::create(options(name, 1));
    std::thread producer([&] { produce(ring.producer()); });
    EXPECT_TRUE(WIFSIGNALED(worker.wait()));
    std::vector<std::uint64_t> again;
    {
        auto consumer = ring.consumer();
        while (auto record = consumer.get()) {
            if (record->deaths() > 0) again.push_back(record->item());
            if (record->deaths() > 0 && is_stored(record->item())) continue;  // it came so far
            store(record->item(), evaluate(record->field<float>("wave")));
        }
    }
    producer.join();
    std::ranges::sort(again);
    EXPECT_EQ(again, (std::vector<std::uint64_t>{0, 1}));
    EXPECT_EQ(answers.all(), std::vector<int>(kRecords, 1));
    EXPECT_EQ(ring.stats().redelivered, 2u);
    EXPECT_EQ(ring.stats().deaths, 1u);
    EXPECT_EQ(ring.stats().delivered, kRecords);
}

TEST_F(ConsumersGuideTest, TakesAsManyAsAreThere) {
    Ring ring = Ring::create(options(name, 1));
    std::thread producer([&] { produce(ring.producer()); });
    auto consumer = ring.consumer();
    while (auto lease = consumer.take(32)) {  // 1 to 32 records; or none but holes
        for (std::size_t i = 0; i < lease->size(); ++i) {
            store(lease->item(i), evaluate(lease->field<float>("wave", i)));
        }
    }
    producer.join();
    EXPECT_EQ(answers.all(), std::vector<int>(kRecords, 1));
}

TEST_F(ConsumersGuideTest, CountsRecordsByTheEpochTheySay) {
    Ring ring = Ring::create(options(name, 3));
    std::thread producer([&] { produce(ring.producer()); });
    std::map<std::uint64_t, std::uint64_t> evaluated;
    int epochs = 0;
    auto consumer = ring.consumer();
    for (;;) {
        auto record = consumer.get();
        if (record.outcome() == headrace::Outcome::end_of_epoch) {
            ++epochs;
            continue;
        }
        if (record.outcome() == headrace::Outcome::end) break;
        ++evaluated[record->epoch()];
    }
    producer.join();
    EXPECT_EQ(epochs, 3);
    EXPECT_EQ(evaluated, (std::map<std::uint64_t, std::uint64_t>{
                             {0, kRecords}, {1, kRecords}, {2, kRecords}}));
}

}  // namespace
}  // namespace headrace
