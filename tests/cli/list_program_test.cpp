// `headrace list` in a process of its own, on rings of this one and of others.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "headrace/consumer.hpp"
#include "headrace/error.hpp"
#include "headrace/loader.hpp"
#include "headrace/producer.hpp"
#include "headrace/ring.hpp"
#include "ring/rendezvous.hpp"
#include "run_program.hpp"

namespace headrace::cli {
namespace {

using ring::UniqueFd;

// A socket that listens and never accepts; of `type`, at `path`.
UniqueFd listener_at(const std::string& path, int type) {
    UniqueFd listener(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_EQ(::listen(listener.get(), 0), 0);
    return listener;
}

// Listens like a trainer, and turns everybody away.
class RefusingTrainer {
  public:
    RefusingTrainer(const std::string& folder, const std::string& name, const std::string& reason)
        : listener_(ring::listen_at(folder, name)),
          thread_([this, reason] { refuse_all(reason); }) {}
    ~RefusingTrainer() {
        ::shutdown(listener_.get(), SHUT_RDWR);  // ends the poll
        thread_.join();
    }
    RefusingTrainer(const RefusingTrainer&) = delete;
    RefusingTrainer& operator=(const RefusingTrainer&) = delete;

  private:
    void refuse_all(const std::string& reason) const {
        ring::Welcome answer{};
        answer.magic = ring::kWireMagic;
        answer.version = ring::kWireVersion;
        std::memcpy(answer.refusal, reason.data(), reason.size());
        pollfd look{.fd = listener_.get(), .events = POLLIN, .revents = 0};
        while (::poll(&look, 1, -1) == 1) {
            const UniqueFd guest(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!guest) return;
            ring::Hello hello{};
            std::vector<UniqueFd> fds;
            const auto heard = ring::receive_message(
                guest.get(), std::as_writable_bytes(std::span(&hello, 1)), fds);
            if (heard > 0) {
                ring::send_message(guest.get(), std::as_bytes(std::span(&answer, 1)));
            }
        }
    }

    UniqueFd listener_;
    std::thread thread_;
};

class ListProgramTest : public testing::Test {
  protected:
    static Ring make_ring(const std::string& name, bool shared_consumers = false) {
        RingOptions options;
        options.name = name;
        options.schema = Schema::float_int(100, 10);
        options.slots = 16;
        options.epoch_records = 1000;
        options.shared_consumers = shared_consumers;
        return Ring::create(options);
    }
    // A trainer in a process of its own, for as long as it is let live.
    std::unique_ptr<Program> make_trainer(const std::string& name) {
        auto trainer = std::make_unique<Program>(
            folder_,
            std::vector<std::string>{"bench", "ring", "--name", name, "--records", "100000000000"});
        EXPECT_TRUE(eventually([&] {
            try {
                return Observer(name, folder_.path()).snapshot().delivered > 0;
            } catch (const Error&) {
                return false;
            }
        })) << name
            << " did not come up";
        return trainer;
    }
    static void stop(const Program& trainer) {
        trainer.signal(SIGSTOP);
        EXPECT_TRUE(eventually([&] {
            std::ifstream file("/proc/" + std::to_string(trainer.pid()) + "/stat");
            std::string text;
            return std::getline(file, text) && text.find(") T ") != std::string::npos;
        })) << "did not stop";
    }
    Ended list(std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), "list");
        return run_program(folder_, std::move(arguments));
    }
    // Again until it ends like this: on a machine that is busy a ring may once take too long.
    Ended list_until(int status, const std::string& text) {
        Ended ended;
        eventually([&] {
            ended = list();
            return ended.status == status &&
                   (ended.out + ended.err).find(text) != std::string::npos;
        });
        EXPECT_EQ(ended.status, status) << ended.out << ended.err;
        return ended;
    }
    // The lines below the titles, each as its words.
    static std::vector<std::vector<std::string>> lines_of(const std::string& table) {
        std::vector<std::vector<std::string>> lines;
        std::istringstream text(table);
        std::string line;
        while (std::getline(text, line)) {
            std::istringstream words(line);
            std::vector<std::string>& found = lines.emplace_back();
            for (std::string word; words >> word;) found.push_back(word);
        }
        if (!lines.empty()) lines.erase(lines.begin());
        return lines;
    }
    void expect_none(const Ended& ended, const std::string& folder) const {
        EXPECT_EQ(ended.status, 1);
        EXPECT_EQ(ended.err, "headrace: no ring answers in " + folder + "\n");
    }
    std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

    TestFolder folder_;
};

TEST_F(ListProgramTest, SaysThatThereIsNone) {
    const Ended ended = list();
    expect_none(ended, folder_.path());
    EXPECT_EQ(ended.out, "");
}

TEST_F(ListProgramTest, MakesNoFolder) {
    expect_none(list({"--directory", path("missing")}), path("missing"));
    EXPECT_FALSE(std::filesystem::exists(path("missing")));
}

TEST_F(ListProgramTest, NamesAFolderThatCannotBeRead) {
    std::ofstream(path("file")) << "no folder";
    const Ended ended = list({"--directory", path("file")});
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find("folder " + path("file") + ": "), std::string::npos) << ended.err;
}

TEST_F(ListProgramTest, LooksWhereTrainersListen) {
    ::unsetenv("HEADRACE_DIR");
    const char* const set = std::getenv("XDG_RUNTIME_DIR");
    const std::string before = set == nullptr ? "" : set;
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    expect_none(list(), path("headrace"));
    EXPECT_FALSE(std::filesystem::exists(path("headrace")));
    {
        const Ring ring = make_ring("voices");
        EXPECT_EQ(ring.socket_path(), path("headrace/voices.sock"));
        list_until(0, "voices");
    }
    set == nullptr ? ::unsetenv("XDG_RUNTIME_DIR") : ::setenv("XDG_RUNTIME_DIR", before.c_str(), 1);
}

TEST_F(ListProgramTest, ShowsARing) {
    Ring ring = make_ring("voices");
    Producer producer = ring.producer("maker");
    for (int record = 0; record < 5; ++record) producer.claim()->publish(50, 5);
    ring.producer("gone").finish();
    Consumer consumer = ring.consumer();
    consumer.take(2)->release();
    const Ended ended = list_until(0, "open");
    EXPECT_EQ(ended.err, "");
    const auto lines = lines_of(ended.out);
    ASSERT_EQ(lines.size(), 1u) << ended.out;
    ASSERT_GE(lines[0].size(), 6u) << ended.out;
    // Its name, phase, device, producers attached, records delivered; then its age.
    EXPECT_EQ(std::vector(lines[0].begin(), lines[0].begin() + 5),
              (std::vector<std::string>{"voices", "open", "-", "1", "2"}));
}

TEST_F(ListProgramTest, ShowsRingsInOrderWithTheirDevices) {
    Ring second = make_ring("voices-train");
    const Ring first = make_ring("voices-held-out");
    const Loader loader(second, {.batch = 4});
    const Ended ended = list_until(0, "host");
    const auto lines = lines_of(ended.out);
    ASSERT_EQ(lines.size(), 2u) << ended.out;
    EXPECT_EQ(lines[0][0], "voices-held-out");
    EXPECT_EQ(lines[0][2], "-");
    EXPECT_EQ(lines[1][0], "voices-train");
    EXPECT_EQ(lines[1][2], "host");
}

TEST_F(ListProgramTest, CountsConsumersWhereRingsAreShared) {
    const Ring alone = make_ring("alone");
    Ring shared = make_ring("shared", true);
    const Ended before = list_until(0, "shared");
    EXPECT_EQ(before.out.find("consumers"), std::string::npos) << before.out;
    const Consumer first = shared.consumer(), second = shared.consumer();
    { const Consumer gone = shared.consumer(); }
    const Ended ended = list_until(0, "consumers");
    const auto lines = lines_of(ended.out);
    ASSERT_EQ(lines.size(), 2u) << ended.out;
    ASSERT_GE(lines[1].size(), 7u) << ended.out;
    // Name, phase, device, producers, consumers, delivered.
    EXPECT_EQ(std::vector(lines[0].begin(), lines[0].begin() + 6),
              (std::vector<std::string>{"alone", "open", "-", "0", "-", "0"}));
    EXPECT_EQ(std::vector(lines[1].begin(), lines[1].begin() + 6),
              (std::vector<std::string>{"shared", "open", "-", "0", "2", "0"}));
}

TEST_F(ListProgramTest, LeavesOutASocketThatAKilledTrainerLeftBehind) {
    const auto trainer = make_trainer("killed");
    trainer->signal(SIGKILL);
    trainer->wait();
    ASSERT_TRUE(std::filesystem::exists(path("killed.sock")));
    const Ended alone = list();
    expect_none(alone, folder_.path());
    EXPECT_EQ(alone.out, "");
    const Ring ring = make_ring("alive");
    const Ended both = list_until(0, "alive");
    EXPECT_EQ(lines_of(both.out).size(), 1u) << both.out;
}

TEST_F(ListProgramTest, LeavesOutWhatIsNoRing) {
    std::ofstream(path("file.sock")) << "a file";
    const UniqueFd other = listener_at(path("other.sock"), SOCK_STREAM);
    const Ended ended = list();
    expect_none(ended, folder_.path());
    EXPECT_EQ(ended.out, "");
}

TEST_F(ListProgramTest, TellsWhyARingRefuses) {
    const RefusingTrainer trainer(folder_.path(), "elsewhere",
                                  "layout version 9, \x1B[2J this trainer has 1");
    const Ended alone = list_until(1, "refused");
    expect_none(alone, folder_.path());
    // The name once, and the escape of another program made harmless.
    EXPECT_NE(
        alone.out.find("  elsewhere  refused: layout version 9, \xEF\xBF\xBD[2J this trainer"),
        std::string::npos)
        << alone.out;
    const Ring ring = make_ring("voices");
    const Ended both = list_until(0, "open");
    EXPECT_EQ(lines_of(both.out).size(), 2u) << both.out;
}

TEST_F(ListProgramTest, TellsThatATrainerIsBusy) {
    const UniqueFd listener = listener_at(path("busy.sock"), SOCK_SEQPACKET);
    std::vector<UniqueFd> queue;
    int error = 0;
    while (UniqueFd guest = ring::connect_to(path("busy.sock"), error)) {
        queue.push_back(std::move(guest));
        ASSERT_LT(queue.size(), 1000u) << "the queue of connections does not fill";
    }
    ASSERT_EQ(error, EAGAIN);
    const Ended ended = list();
    expect_none(ended, folder_.path());
    EXPECT_NE(ended.out.find("  busy  busy: "), std::string::npos) << ended.out;
}

TEST_F(ListProgramTest, IsNotHeldUpByTrainersThatAreStopped) {
    const auto first = make_trainer("first"), second = make_trainer("second");
    stop(*first);
    stop(*second);
    const Ended stopped = list();
    expect_none(stopped, folder_.path());
    EXPECT_EQ(lines_of(stopped.out).size(), 2u) << stopped.out;
    const Ring ring = make_ring("third");
    const Ended ended = list_until(0, "open");
    for (const char* name : {"first", "second"}) {
        const std::string line = "  " + std::string(name);
        const std::size_t at = ended.out.find(line);
        ASSERT_NE(at, std::string::npos) << ended.out;
        EXPECT_NE(ended.out.find("has not answered within", at), std::string::npos) << ended.out;
    }
    EXPECT_EQ(lines_of(ended.out).back()[1], "open") << ended.out;

    // What bounds it: an observer's patience.
    try {
        const Observer observer("first", folder_.path(), std::chrono::milliseconds(1));
        FAIL() << "a stopped trainer answered";
    } catch (const TimeoutError& error) {
        EXPECT_NE(std::string(error.what()).find("within 1 ms"), std::string::npos) << error.what();
    }
}

TEST_F(ListProgramTest, FailsWhenEveryRingIsAborted) {
    Ring first = make_ring("first");
    first.abort("out of ideas");
    const Ended alone = list_until(1, "aborted in");
    EXPECT_EQ(alone.err,
              "headrace: every ring that answers is aborted in " + folder_.path() + "\n");
    ASSERT_EQ(lines_of(alone.out).size(), 1u) << alone.out;
    EXPECT_EQ(lines_of(alone.out)[0][1], "aborted");
    Ring second = make_ring("second");
    list_until(0, "open");
    second.close();  // in order, which is no failure
    list_until(0, "closed");
}

}  // namespace
}  // namespace headrace::cli
