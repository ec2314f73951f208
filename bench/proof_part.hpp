// The other processes of `proof`: this program again, each in a part of its own. Their standard
// input lets them go on, and by their standard output they say how far they are, a byte each time.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/ring.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::bench {

/// One of them; killed when it goes out of sight.
class Part {
  public:
    /// `arguments` as play() reads them; `inherited`, if there is one, is its descriptor 3. Throws
    /// SystemError.
    explicit Part(std::vector<std::string> arguments, int inherited = -1);
    ~Part();
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

    pid_t pid() const noexcept { return pid_; }
    /// Waits until it says something. Throws SystemError when it has ended, or says nothing for
    /// half a minute.
    void hear();
    /// Lets it go on.
    void tell();
    /// Sends SIGKILL, and does not wait.
    void kill() noexcept;

  private:
    pid_t pid_ = -1;
    ring::UniqueFd to_, from_;
};

/// What all rings of `proof` are: small records, so that what is measured is not the writing.
RingOptions ring_of(const std::string& name, const std::string& directory, std::uint32_t slots);
/// Whether a record is as one of the parts wrote it, at its so-many-th attempt.
bool is_as_written(const RecordLease& record, std::uint32_t attempt);

/// Two words that a process and its echo wake each other by, in memory that both have mapped.
struct EchoWords {
    std::atomic<std::uint32_t> call, answer;
};
EchoWords& map_echo(int memory);

/// The whole of a child's life: the exit status; none when the arguments name no part.
///   holder RING DIR    claims a record, says so, and sleeps
///   filler RING DIR    says that it is attached; publishes as long as the ring lives
///   survivor RING DIR  says that it is attached; each time that it is told to, publishes until it
///                      has published a record that came back, and says so
///   bystander          says that it is there, and sleeps
///   echo               waits for EchoWords::call, and answers
std::optional<int> play(const std::vector<std::string>& arguments);

}  // namespace headrace::bench
