// A device for tests, over a simulator: it keeps what src/device/backend.hpp promises and no more.
// Copies come late, in pieces, in another order than those of other streams; a target holds rubbish
// until its copy has run; `moved` is complete as soon as ring and plan are read no more, which may
// be before the batch is. It counts where the loader breaks its side of the contract, fails where a
// test asks for it, and breaks its own side where a test wants to know whether that is noticed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include "device/backend.hpp"
#include "device/simulator.hpp"

namespace headrace::device {

// A stream of the trainer. Dies before the device, after all batches that were used on it.
class SimulatedStream {
  public:
    explicit SimulatedStream(std::shared_ptr<Simulator> simulator)
        : simulator_(std::move(simulator)), stream_(simulator_->make_stream()) {}
    SimulatedStream(const SimulatedStream&) = delete;
    SimulatedStream& operator=(const SimulatedStream&) = delete;
    ~SimulatedStream() { simulator_->destroy(stream_); }

    StreamRef ref() const noexcept { return {stream_}; }
    void enqueue(Simulator::Work work) { simulator_->enqueue(stream_, std::move(work)); }
    // What is enqueued from now on waits for what is enqueued there already.
    void wait_for(const SimulatedStream& other);
    void synchronize() { simulator_->synchronize(stream_); }
    // Held, it does nothing, and its events are not complete.
    void hold() { simulator_->hold(stream_); }
    void let_go() { simulator_->let_go(stream_); }
    bool is_idle() const { return simulator_->is_idle(stream_); }

  private:
    std::shared_ptr<Simulator> simulator_;
    Simulator::Stream* stream_;
};

class SimulatedBackend final : public Backend {
  public:
    // Where a test can make it fail: at calls, and on the device, which later calls tell of.
    enum class Fault {
        none,
        allocate,
        make_copy_stream,
        enqueue,
        enqueue_halfway,  // with a copy on its way, and `moved` not recorded
        copy_stream,      // its wait(), record() and stamp()
        copying,          // on the device
        synchronize,
        record_on_stream,
        wait_on_stream,
        strip,        // with the first field on its way
        is_complete,  // asked for after half a second of waiting only
    };
    static constexpr int kFaults = 11;  // without the last
    // What a test can make it do wrong.
    enum class Sabotage {
        none,
        moved_early,             // `moved` is complete before the copy has run
        filled_early,            // what is recorded on the copy stream is complete at once
        synchronizes_early,      // synchronize() returns before the event is complete
        trainer_does_not_wait,   // wait(stream, event) does nothing
        copies_do_not_wait,      // the copy stream's wait(event) does nothing
        used_not_recorded,       // record(event, stream) is complete at once
        ends_before_its_copies,  // the copy stream's destructor does not wait
    };
    static constexpr int kSabotages = 8;

    explicit SimulatedBackend(std::uint64_t seed = 0);
    explicit SimulatedBackend(std::shared_ptr<Simulator> simulator, std::uint64_t seed = 0);

    // What the test steers it with, beside the simulator itself: there a batch is one operation of
    // Kind::copy, up to its `moved`, and what comes before and after it is Kind::work.
    const std::shared_ptr<Simulator>& simulator() const noexcept { return simulator_; }
    // As if it were new, when no loader uses it.
    void start_again(std::uint64_t seed);
    void hold_copies() { simulator_->hold(Simulator::Kind::copy); }
    void let_copies_go(std::uint64_t copies = Simulator::kAll) {
        simulator_->let_go(Simulator::Kind::copy, copies);
    }
    void hold_enqueue();  // the planner waits inside of enqueue()
    void let_enqueue_go();
    void fail_at(Fault fault, std::uint64_t calls_before = 0);
    // What each batch takes on the simulator's clock before `moved`, and after it.
    void take(double copying_s, double stripping_s);
    void refuse_registration(std::string reason);  // empty: does not refuse
    void sabotage(Sabotage sabotage);

    // What it has seen.
    struct Seen {
        std::uint64_t recorded = 0;     // calls of record(event, stream)
        std::uint64_t entered = 0;      // calls of enqueue()
        std::uint64_t enqueued = 0;     // of these, those that are through
        std::uint64_t stamps = 0;       // calls of stamp()
        std::uint64_t stamped = 0;      // of these, those that have told the time
        std::uint64_t begun = 0;        // batches that the copy stream has come to
        std::uint64_t carried_out = 0;  // copies, up to their `moved`
        std::uint64_t strips = 0;       // calls of strip()
        std::uint64_t faults = 0;       // that were asked for and have come
        std::set<std::string> stages;   // that threads were in
        std::int64_t open_stages = 0;   // that they are in now
        // The loader's mistakes; the simulator counts others.
        std::uint64_t plans_changed = 0;  // between enqueue() and the copy
    };
    Seen seen() const;
    // All of the loader's, those that the simulator counts too.
    std::uint64_t mistakes() const;

    std::string name() const override { return "simulated"; }
    bool has_streams() const noexcept override { return true; }
    std::unique_ptr<device::Registration> register_host(std::span<std::byte> memory) override;
    std::unique_ptr<Buffer> allocate(std::size_t bytes) override;
    std::unique_ptr<Buffer> allocate_host(std::size_t bytes) override;
    std::unique_ptr<device::Event> make_event() override;
    std::unique_ptr<device::CopyStream> make_copy_stream(
        const CopyForm& form, device::Registration* registration) override;
    void synchronize(device::Event& event) override;
    bool is_complete(device::Event& event) override;
    void record(device::Event& event, StreamRef stream) override;
    void wait(StreamRef stream, device::Event& event) override;
    void strip(const StripPlan& plan, StreamRef stream) override;
    std::optional<double> seconds_between(device::Event& from, device::Event& to) override;
    void begin_stage(const char* name) noexcept override;
    void end_stage() noexcept override;

  private:
    class Registration;
    class Event;
    class CopyStream;
    static Simulator::Event* event_of(device::Event& event);
    bool is_sabotaged() const;
    bool is_sabotaged(Sabotage sabotage) const;
    bool is_due(Fault fault);
    void check(Fault fault);

    const std::shared_ptr<Simulator> simulator_;
    const std::shared_ptr<Backend> host_ = make_host_backend();
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::mt19937_64 random_;
    std::string refusal_;
    double copying_s_ = 0, stripping_s_ = 0;
    bool enqueue_held_ = false;
    Fault fault_ = Fault::none;
    std::uint64_t calls_before_fault_ = 0;
    Sabotage sabotage_ = Sabotage::none;
    Seen seen_;
};

}  // namespace headrace::device
