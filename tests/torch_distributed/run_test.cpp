// Several ranks on this machine, with their producers, as mpirun starts them: what all of them
// together have learned from.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint.hpp"
#include "headrace/sampler.hpp"
#include "launch/program.hpp"
#include "torch_trainer/word_files.hpp"
#include "word_lists.hpp"

namespace {

using Words = std::vector<std::string>;
using samples_test::Program;

// What the ledgers of all ranks say of one epoch: how often each place of its order was learned
// from. Places are those of the epoch's order over all ranks.
using Places = std::map<std::uint64_t, int>;

class DistributedTest : public testing::Test {
  protected:
    static constexpr std::uint64_t kBatch = 8;
    static constexpr std::uint64_t kSeed = 7;

    DistributedTest() { words_test::write_word_lists(folder_.path() / "lists", 80); }

    std::string file(const std::string& name) const { return (folder_.path() / name).string(); }
    // Words to train on.
    std::uint64_t records() const {
        return words::read_word_lists(folder_.path() / "lists").train.size();
    }
    // Takes words away until so many are left over when `ranks` share them.
    void leave_over(std::uint64_t ranks, std::uint64_t left) {
        std::filesystem::path list = folder_.path() / "lists" / words::kLanguages[0].list;
        while (records() % ranks != left) {
            std::string text = words_test::read_file(list);
            text.pop_back();  // its last line feed
            text.resize(text.rfind('\n') + 1);
            words_test::write_file(list, text);
        }
    }

    Words options(const Words& more) const {
        Words all{"--device", "host", "--batch", std::to_string(kBatch), "--lists", file("lists"),
                  "--words",  "0",    "--seed",  std::to_string(kSeed)};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    // What a job's own variables would tell the ranks is taken away.
    static Words clean_environment() {
        Words command{"/usr/bin/env"};
        for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT",
                                 "TORCHELASTIC_USE_AGENT_STORE", "GLOO_SOCKET_IFNAME"}) {
            command.insert(command.end(), {"-u", name});
        }
        return command;
    }
    // Runs so many ranks to their end in order; the ledgers are FILE.RANK.
    void run(int ranks, const std::string& ledger, const Words& more) {
        Words command = clean_environment();
        command.insert(command.end(),
                       {HEADRACE_TEST_MPIRUN, "--oversubscribe", "-n", std::to_string(ranks)});
        if (getuid() == 0) command.push_back("--allow-run-as-root");
        command.push_back(HEADRACE_TEST_TORCH_DISTRIBUTED);
        const Words all = options(more);
        command.insert(command.end(), all.begin(), all.end());
        command.insert(command.end(),
                       {"--ledger", file(ledger), "--results", file("results.json")});
        Program program(folder_.path(), command, "words_producer");
        EXPECT_EQ(program.wait(), 0) << program.output();
        EXPECT_TRUE(program.wait_for_no_producers());
        EXPECT_TRUE(program.sockets().empty());
        EXPECT_EQ(program.result("ranks"), std::to_string(ranks)) << program.output();
        // Of five languages the first steps tell some right by chance, and none for sure.
        EXPECT_NE(program.output().find("  loss "), std::string::npos) << program.output();
        EXPECT_EQ(program.output().find("  loss 0.0"), std::string::npos) << program.output();
        EXPECT_EQ(program.output().find("  right 0.0 %"), std::string::npos) << program.output();
    }
    // Adds up the ledgers. Every item must be the one at its place of the one order that there is.
    std::map<std::uint64_t, Places> read(const std::string& ledger, int ranks) const {
        const headrace::Sampler order({.epoch_records = records(), .shuffle_seed = kSeed});
        std::map<std::uint64_t, Places> epochs;
        for (int rank = 0; rank < ranks; ++rank) {
            std::ifstream lines(file(ledger + "." + std::to_string(rank)));
            std::uint64_t epoch = 0, place = 0, item = 0, count = 0;
            while (lines >> epoch >> place >> item) {
                const std::uint64_t wrapped = place % records();
                EXPECT_EQ(item, order.item_of(epoch * records() + wrapped));
                ++epochs[epoch][place];
                ++count;
            }
            EXPECT_GT(count, 0u) << "of rank " << rank;
        }
        return epochs;
    }
    // Each place from `first` to before `last` once, and no other.
    static void expect_range(const Places& places, std::uint64_t first, std::uint64_t last) {
        ASSERT_EQ(places.size(), last - first);
        EXPECT_EQ(places.begin()->first, first);
        EXPECT_EQ(places.rbegin()->first, last - 1);
        for (const auto& [place, times] : places) EXPECT_EQ(times, 1) << "place " << place;
    }

    words_test::TemporaryFolder folder_;
};

TEST_F(DistributedTest, SeesEachRecordOnceWhereTheNumbersDivide) {
    for (const int ranks : {2, 3}) {
        SCOPED_TRACE(std::to_string(ranks) + " ranks");
        leave_over(static_cast<std::uint64_t>(ranks), 0);
        run(ranks, "ledger", {"--epochs", "2"});
        const auto epochs = read("ledger", ranks);
        ASSERT_EQ(epochs.size(), 2u);
        for (const auto& [epoch, places] : epochs) expect_range(places, 0, records());
    }
}

TEST_F(DistributedTest, DropsOrPadsTheRemainderAsItIsTold) {
    leave_over(3, 2);
    run(3, "drop", {"--epochs", "2", "--remainder", "drop"});
    for (const auto& [epoch, places] : read("drop", 3)) expect_range(places, 0, records() - 2);
    run(3, "pad", {"--epochs", "2", "--remainder", "pad"});
    const auto padded = read("pad", 3);
    ASSERT_EQ(padded.size(), 2u);
    // One place more than there are records: the first one again.
    for (const auto& [epoch, places] : padded) expect_range(places, 0, records() + 1);
}

TEST_F(DistributedTest, GoesOnInTheSameOrderWithAnotherNumberOfRanks) {
    leave_over(6, 0);
    constexpr std::uint64_t kSteps = 5;
    run(2, "first",
        {"--epochs", "2", "--checkpoint", file("run.pt"), "--steps", std::to_string(kSteps)});
    const std::uint64_t done = 2 * kBatch * kSteps;
    const auto first = read("first", 2);
    ASSERT_EQ(first.size(), 1u);
    expect_range(first.at(0), 0, done);

    run(3, "second", {"--epochs", "2", "--checkpoint", file("run.pt"), "--resume"});
    const auto second = read("second", 3);
    ASSERT_EQ(second.size(), 2u);
    expect_range(second.at(0), done, records() - (records() - done) % 3);
    expect_range(second.at(1), 0, records());
}

TEST_F(DistributedTest, ResumesToTheSameWeights) {
    leave_over(2, 0);
    run(2, "whole", {"--epochs", "2", "--checkpoint", file("whole.pt")});
    run(2, "part", {"--epochs", "2", "--checkpoint", file("part.pt"), "--steps", "9"});
    run(2, "part", {"--epochs", "2", "--checkpoint", file("part.pt"), "--resume"});
    const auto whole = words::read_checkpoint(file("whole.pt"));
    const auto part = words::read_checkpoint(file("part.pt"));
    ASSERT_EQ(whole.tensors.size(), part.tensors.size());
    for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
        EXPECT_EQ(whole.tensors[i].first, part.tensors[i].first);
        EXPECT_TRUE(whole.tensors[i].second.equal(part.tensors[i].second))
            << whole.tensors[i].first;
    }
    EXPECT_EQ(whole.place.train, part.place.train);
}

// ---- started by hand, as torchrun does it -------------------------------------------------------

// A port that nobody listens on.
std::uint16_t free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

// Another port is tried when somebody took the first between free_port() and rank 0.
TEST_F(DistributedTest, MeetsWhereTheEnvironmentSays) {
    leave_over(2, 0);
    const auto have_met = [&] {
        const std::string port = std::to_string(free_port());
        std::vector<std::unique_ptr<Program>> ranks;
        for (const std::string rank : {"0", "1"}) {
            const std::filesystem::path own = folder_.path() / rank;
            std::filesystem::create_directories(own);
            Words command = clean_environment();
            command.insert(command.end(), {"RANK=" + rank, "WORLD_SIZE=2", "LOCAL_RANK=" + rank,
                                           "MASTER_ADDR=127.0.0.1", "MASTER_PORT=" + port,
                                           HEADRACE_TEST_TORCH_DISTRIBUTED});
            const Words all = options({"--epochs", "1", "--ledger", file("ledger")});
            command.insert(command.end(), all.begin(), all.end());
            ranks.push_back(std::make_unique<Program>(own, command, "words_producer"));
        }
        const auto first = ranks[0]->wait();
        if (first != 0 && ranks[0]->output().find("in use") != std::string::npos) return false;
        EXPECT_EQ(first, 0) << ranks[0]->output();
        EXPECT_EQ(ranks[1]->wait(), 0) << ranks[1]->output();
        return true;
    };
    bool met = false;
    for (int attempt = 0; attempt < 3 && !met; ++attempt) met = have_met();
    ASSERT_TRUE(met);
    const auto epochs = read("ledger", 2);
    ASSERT_EQ(epochs.size(), 1u);
    expect_range(epochs.at(0), 0, records());
}

TEST_F(DistributedTest, SaysWhatIsMissing) {
    const auto output_of = [&](const Words& environment, const Words& more) {
        Words command = clean_environment();
        command.insert(command.end(), environment.begin(), environment.end());
        command.push_back(HEADRACE_TEST_TORCH_DISTRIBUTED);
        const Words all = options(more);
        command.insert(command.end(), all.begin(), all.end());
        Program program(folder_.path(), command, "words_producer");
        EXPECT_EQ(program.wait(), 2) << program.output();
        return program.output();
    };
    const std::string half = output_of({"RANK=1"}, {});
    EXPECT_NE(half.find("WORLD_SIZE"), std::string::npos) << half;
    const std::string alone = output_of({}, {"--rank", "0", "--world-size", "2"});
    EXPECT_NE(alone.find("--store FILE"), std::string::npos) << alone;
    const std::string one = output_of({"MASTER_ADDR=here"}, {"--rank", "0", "--world-size", "2"});
    EXPECT_NE(one.find("MASTER_PORT"), std::string::npos) << one;
    const std::string policy = output_of({}, {"--remainder", "some"});
    EXPECT_NE(policy.find("--remainder: found \"some\""), std::string::npos) << policy;
}

}  // namespace
