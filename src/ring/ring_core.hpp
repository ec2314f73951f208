// What a Ring owns, shared with the consumers, loaders and in-process producers made from it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "headrace/ring.hpp"
#include "ring/layout.hpp"
#include "ring/memory.hpp"
#include "ring/messages.hpp"
#include "ring/process_mark.hpp"
#include "ring/protocol.hpp"
#include "ring/service.hpp"
#include "ring/unique_fd.hpp"

namespace headrace::detail {

class RingCore {
  public:
    explicit RingCore(RingOptions options);
    ~RingCore();
    RingCore(const RingCore&) = delete;
    RingCore& operator=(const RingCore&) = delete;

    const RingOptions& options() const noexcept { return options_; }
    const ring::Description& description() const noexcept { return description_; }
    ring::Protocol& protocol() noexcept { return protocol_; }
    const ring::Protocol& protocol() const noexcept { return protocol_; }
    std::span<std::byte> memory() const noexcept { return mapping_.bytes(); }
    const std::string& socket_path() const noexcept { return socket_path_; }
    ring::Messages& messages() noexcept { return messages_; }
    // False in a forked child of the process that made it.
    bool is_this_process() const noexcept { return made_in_.is_here(); }

    // Throws UsageError when somebody has the consumer's side already, or many share it.
    void take_consumer_side();
    void leave_consumer_side() noexcept { consumer_taken_.store(false); }
    // Where the next consumer goes on: the indices below were taken by one before it.
    std::uint64_t consumer_position = 0;
    std::uint64_t consumer_floor = 0;

    ring::Owner enlist(const std::string& identity, ring::Role role);
    void discharge(ring::Owner owner, bool left) noexcept;
    // Who is attached now, for people.
    std::string attached();

    // The first ending counts; later ones change nothing.
    void end(Phase phase, const std::string& reason) noexcept;
    // Throws UsageError when the ring has ended.
    void reset();
    // Ends the service and takes the socket away.
    void shut_down() noexcept;

  private:
    ring::ProcessMark made_in_ = ring::ProcessMark::here();
    RingOptions options_;
    ring::Description description_;
    ring::Messages messages_;
    std::string directory_, socket_path_;
    // In the order in which they must not die: the service uses all above it.
    ring::UniqueFd memory_, listener_;
    ring::Mapping mapping_;
    ring::Protocol protocol_;
    std::atomic<std::uint64_t> floor_{0};  // the protocol's, which no other process can write
    std::mutex service_mutex_;
    std::unique_ptr<ring::Service> service_;
    std::mutex end_mutex_;
    std::atomic<bool> consumer_taken_{false};
};

}  // namespace headrace::detail
