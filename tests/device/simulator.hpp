// A machine like a GPU, in ordinary memory: streams, events and operations as CUDA defines them,
// carried out by one thread of its own, as late and in as odd an order as those rules allow. Which
// stream goes on next, how far, and when nothing does, is drawn from a seed.
//
// The rules. What is enqueued on a stream happens in order, and later; streams know nothing of each
// other. An event that is recorded is complete when all that was enqueued before on that stream is;
// one that was never recorded is complete. A stream that waits for an event waits for the last
// record of it that was made before that call. An operation may be carried out in pieces, with
// those of other streams between them. Nothing has to happen soon, but what a thread waits for in
// synchronize() does happen.
//
// All calls are thread-safe. None waits for an operation but synchronize() and destroy(stream).
// Operations run on the simulator's thread; they may call pass(), and nothing else that waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace headrace {

class Simulator {
  public:
    struct Stream;  // a null pointer means the default stream, which is one like all others
    struct Event;

    enum class Kind { work, copy };  // of operations, for hold()
    enum class Memory { device, pinned, registered };

    // Memory that an operation reads or writes.
    struct Access {
        const void* data = nullptr;
        std::size_t bytes = 0;
        bool writes = false;
    };
    struct Work {
        // Called once for each piece, in order. What it throws is the machine's failure.
        std::function<void(std::size_t piece)> run;
        std::size_t pieces = 1;
        Kind kind = Kind::work;
        std::vector<Access> touches = {};
        double seconds = 0;  // what it takes on the machine's clock, beside the ticks
    };

    // What was done to it against the rules of memory.
    struct Mistakes {
        // Two operations of which one writes what the other touches ran in another order than they
        // were enqueued: no event was between them.
        std::uint64_t out_of_order = 0;
        std::uint64_t freed_early = 0;         // memory that a pending operation touches
        std::uint64_t unregistered_early = 0;  // the same of registered memory
        std::uint64_t unknown_memory = 0;      // freed or unregistered, but not there
        std::uint64_t timed_early = 0;  // seconds between events of which one is not complete
        std::uint64_t total() const noexcept {
            return out_of_order + freed_early + unregistered_early + unknown_memory + timed_early;
        }
    };

    explicit Simulator(std::uint64_t seed = 0);
    Simulator(const Simulator&) = delete;
    Simulator& operator=(const Simulator&) = delete;
    // Forgets what is still pending.
    ~Simulator();
    // From now on with this seed.
    void reseed(std::uint64_t seed);

    Stream* make_stream();
    void destroy(Stream* stream);  // waits for what is enqueued there
    Event* make_event();
    void destroy(Event* event);  // records and waits that were made stay

    void enqueue(Stream* stream, Work work);
    // A copy in pieces, which reads its source late.
    void copy(Stream* stream, void* to, const void* from, std::size_t bytes);
    void record(Event* event, Stream* stream);
    void wait(Stream* stream, Event* event);

    bool is_complete(Event* event) const;
    bool is_idle(Stream* stream) const;  // all that was enqueued there is through
    void synchronize(Event* event);
    void synchronize(Stream* stream);
    void synchronize();  // everything
    // Calls of synchronize() that wait just now.
    std::uint64_t synchronizing() const;

    // The clock moves on with each piece that is carried out, with Work::seconds, and by pass().
    double now() const;
    void pass(double seconds);
    // Between the last records of two events. Empty when one was never recorded, or is not complete
    // (which is a mistake that is counted).
    std::optional<double> seconds_between(Event* from, Event* to);

    // Steering by hand. What is held stays pending, whoever waits for it.
    static constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
    void hold(Kind kind);
    void let_go(Kind kind, std::uint64_t operations = kAll);  // so many more
    void hold(Stream* stream);
    void let_go(Stream* stream);

    // Memory aligned to 256 bytes and full of rubbish; counts its own misuse, and an operation
    // whose memory is gone does nothing.
    void* allocate(std::size_t bytes, Memory memory);
    void free(void* data);
    void register_host(void* data, std::size_t bytes);
    void unregister_host(void* data);
    // Where an address lies; empty where the machine does not know it. `bytes` must lie there too.
    std::optional<Memory> memory_of(const void* data, std::size_t bytes = 1) const;
    std::size_t allocations() const;  // blocks that are there, registered ones too

    // What the first operation that failed threw; from then on operations do nothing, as on a GPU
    // whose context is lost, but events complete. Null while all is well.
    std::exception_ptr failure() const;
    Mistakes mistakes() const;
    void forget_mistakes();
    void forget();  // mistakes and failure
    // What is pending, a line a stream, for a test that hangs.
    std::string describe() const;

  private:
    struct Mark;  // one record of an event
    struct Operation;
    struct Block {
        std::size_t bytes = 0;
        Memory memory = Memory::device;
    };

    void carry_out_all();
    Stream* choose();
    bool is_ready(const Stream& stream) const;
    bool is_wanted(const Stream& stream) const;
    void pause(std::unique_lock<std::mutex>& lock);
    void change_mood();
    void step(Stream& stream, std::unique_lock<std::mutex>& lock);
    void run_piece(Operation& operation, std::unique_lock<std::mutex>& lock);
    void check_order(const Stream& stream, const Operation& operation);
    void add(Stream* stream, Operation operation);
    void await(std::unique_lock<std::mutex>& lock, std::shared_ptr<Mark> mark);
    bool remove(std::unique_lock<std::mutex>& lock, const void* data, bool registered);
    Stream& of(Stream* stream) const noexcept { return stream ? *stream : *default_; }
    std::uint64_t draw(std::uint64_t below);

    mutable std::mutex mutex_;
    std::condition_variable changed_;   // for the simulator's thread
    std::condition_variable finished_;  // for threads that wait for it
    std::mt19937_64 random_;
    std::vector<std::unique_ptr<Stream>> streams_;
    std::vector<Stream*> ready_;  // of choose(), kept for its memory
    Stream* default_ = nullptr;
    std::uint64_t next_stream_ = 0;
    std::vector<std::shared_ptr<Mark>> awaited_;  // by threads in synchronize()
    std::uint64_t removing_ = 0;                  // threads that wait in free() and the like
    std::uint64_t enqueued_ = 0;                  // operations ever
    std::uint64_t allowed_[2] = {kAll, kAll};     // operations of each kind that may begin
    std::map<const std::byte*, Block> memory_;
    double now_ = 0;
    std::exception_ptr failure_;
    Mistakes mistakes_;
    Stream* running_ = nullptr;  // its first operation runs just now, without the lock
    // The mood, which changes all the time.
    Stream* starved_ = nullptr;
    Stream* favourite_ = nullptr;
    std::uint64_t mood_steps_ = 0, pause_percent_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace headrace
