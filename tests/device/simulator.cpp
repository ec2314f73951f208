// What a simulator's callers do. What it does by itself is in simulator_thread.cpp.
#include "device/simulator.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include "device/simulator_parts.hpp"

namespace headrace {

namespace {

constexpr std::align_val_t kAlignment{256};  // what cudaMalloc gives

}  // namespace

Simulator::Simulator(std::uint64_t seed) : random_(seed) {
    default_ = make_stream();
    thread_ = std::thread([this] { carry_out_all(); });
}

Simulator::~Simulator() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    for (const auto& [data, block] : memory_) {
        if (block.memory == Memory::registered) continue;
        ::operator delete(const_cast<std::byte*>(data), kAlignment);
    }
}

void Simulator::reseed(std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    random_.seed(seed);
    mood_steps_ = 0;
}

// ---- streams and events ------------------------------------------------------------------------

Simulator::Stream* Simulator::make_stream() {
    const std::lock_guard lock(mutex_);
    streams_.push_back(std::make_unique<Stream>());
    streams_.back()->number = next_stream_++;
    return streams_.back().get();
}

void Simulator::destroy(Stream* stream) {
    std::unique_lock lock(mutex_);
    // Until there is nothing left: another thread may come to wait for everything meanwhile.
    while (!stream->queue.empty()) {
        const auto mark = std::make_shared<Mark>();
        add(stream, {.does = Operation::Does::record, .mark = mark});
        await(lock, mark);
    }
    starved_ = favourite_ = nullptr;
    std::erase_if(streams_, [stream](const auto& other) { return other.get() == stream; });
}

Simulator::Event* Simulator::make_event() {
    return new Event;
}

void Simulator::destroy(Event* event) {
    delete event;
}

void Simulator::enqueue(Stream* stream, Work work) {
    assert(work.run && work.pieces != 0);
    std::erase_if(work.touches, [](const Access& access) { return access.bytes == 0; });
    const std::lock_guard lock(mutex_);
    add(stream, {.does = Operation::Does::work, .work = std::move(work)});
}

void Simulator::copy(Stream* stream, void* to, const void* from, std::size_t bytes) {
    constexpr std::uint64_t kMostPieces = 4;
    std::size_t pieces = 1;
    bool backwards = false;
    {
        const std::lock_guard lock(mutex_);
        pieces += draw(kMostPieces);
        backwards = draw(2) != 0;
    }
    const auto run = [=](std::size_t piece) {
        if (backwards) piece = pieces - 1 - piece;
        const std::size_t begin = bytes * piece / pieces;
        const std::size_t end = bytes * (piece + 1) / pieces;
        if (begin == end) return;
        std::memcpy(static_cast<std::byte*>(to) + begin,
                    static_cast<const std::byte*>(from) + begin, end - begin);
    };
    enqueue(stream, {.run = run,
                     .pieces = pieces,
                     .kind = Kind::copy,
                     .touches = {{to, bytes, true}, {from, bytes, false}}});
}

void Simulator::record(Event* event, Stream* stream) {
    const std::lock_guard lock(mutex_);
    event->last = std::make_shared<Mark>();
    add(stream, {.does = Operation::Does::record, .mark = event->last});
}

void Simulator::wait(Stream* stream, Event* event) {
    const std::lock_guard lock(mutex_);
    add(stream, {.does = Operation::Does::wait, .mark = event->last});
}

void Simulator::add(Stream* stream, Operation operation) {
    operation.number = enqueued_++;
    if (operation.does == Operation::Does::record) operation.mark->stream = &of(stream);
    of(stream).queue.push_back(std::move(operation));
    changed_.notify_one();
}

bool Simulator::is_complete(Event* event) const {
    const std::lock_guard lock(mutex_);
    return !event->last || event->last->done;
}

bool Simulator::is_idle(Stream* stream) const {
    const std::lock_guard lock(mutex_);
    return of(stream).queue.empty();
}

void Simulator::synchronize(Event* event) {
    std::unique_lock lock(mutex_);
    await(lock, event->last);
}

void Simulator::synchronize(Stream* stream) {
    std::unique_lock lock(mutex_);
    const auto mark = std::make_shared<Mark>();
    add(stream, {.does = Operation::Does::record, .mark = mark});
    await(lock, mark);
}

void Simulator::synchronize() {
    std::unique_lock lock(mutex_);
    std::vector<std::shared_ptr<Mark>> marks;
    for (const auto& stream : streams_) {
        marks.push_back(std::make_shared<Mark>());
        add(stream.get(), {.does = Operation::Does::record, .mark = marks.back()});
    }
    for (const auto& mark : marks) await(lock, mark);
}

void Simulator::await(std::unique_lock<std::mutex>& lock, std::shared_ptr<Mark> mark) {
    assert(std::this_thread::get_id() != thread_.get_id());
    if (!mark || mark->done) return;
    awaited_.push_back(mark);
    changed_.notify_one();
    finished_.wait(lock, [&] { return mark->done; });
    awaited_.erase(std::find(awaited_.begin(), awaited_.end(), mark));
}

std::uint64_t Simulator::synchronizing() const {
    const std::lock_guard lock(mutex_);
    return awaited_.size();
}

// ---- the clock ---------------------------------------------------------------------------------

double Simulator::now() const {
    const std::lock_guard lock(mutex_);
    return now_;
}

void Simulator::pass(double seconds) {
    const std::lock_guard lock(mutex_);
    now_ += seconds;
}

std::optional<double> Simulator::seconds_between(Event* from, Event* to) {
    const std::lock_guard lock(mutex_);
    if (!from->last || !to->last) return std::nullopt;
    if (!from->last->done || !to->last->done) {
        ++mistakes_.timed_early;
        return std::nullopt;
    }
    return to->last->time - from->last->time;
}

// ---- steering by hand --------------------------------------------------------------------------

void Simulator::hold(Kind kind) {
    const std::lock_guard lock(mutex_);
    allowed_[static_cast<std::size_t>(kind)] = 0;
}

void Simulator::let_go(Kind kind, std::uint64_t operations) {
    const std::lock_guard lock(mutex_);
    std::uint64_t& allowed = allowed_[static_cast<std::size_t>(kind)];
    allowed = operations > kAll - allowed ? kAll : allowed + operations;
    changed_.notify_one();
}

void Simulator::hold(Stream* stream) {
    const std::lock_guard lock(mutex_);
    of(stream).held = true;
}

void Simulator::let_go(Stream* stream) {
    const std::lock_guard lock(mutex_);
    of(stream).held = false;
    changed_.notify_one();
}

// ---- memory ------------------------------------------------------------------------------------

void* Simulator::allocate(std::size_t bytes, Memory memory) {
    constexpr int kRubbish = 0xA5;
    const std::size_t size = std::max<std::size_t>(bytes, 1);
    auto* const data = static_cast<std::byte*>(::operator new(size, kAlignment));
    std::memset(data, kRubbish, size);
    const std::lock_guard lock(mutex_);
    memory_[data] = {size, memory};
    return data;
}

void Simulator::free(void* data) {
    if (data == nullptr) return;
    std::unique_lock lock(mutex_);
    if (!remove(lock, data, false)) return;
    ::operator delete(data, kAlignment);
}

void Simulator::register_host(void* data, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    memory_[static_cast<const std::byte*>(data)] = {bytes, Memory::registered};
}

void Simulator::unregister_host(void* data) {
    std::unique_lock lock(mutex_);
    remove(lock, data, true);
}

// False, and counted, when there is no such block. Operations that touch it do nothing any more.
bool Simulator::remove(std::unique_lock<std::mutex>& lock, const void* data, bool registered) {
    const auto found = memory_.find(static_cast<const std::byte*>(data));
    if (found == memory_.end() || (found->second.memory == Memory::registered) != registered) {
        ++mistakes_.unknown_memory;
        return false;
    }
    const auto [begin, block] = *found;
    bool is_touched = false;
    for (const auto& stream : streams_) {
        for (Operation& operation : stream->queue) {
            if (!operation.touches(begin, block.bytes)) continue;
            operation.is_void = is_touched = true;
        }
    }
    // After a failure what is pending does nothing any more.
    if (is_touched && !failure_)
        ++(registered ? mistakes_.unregistered_early : mistakes_.freed_early);
    memory_.erase(found);
    // The piece that runs just now still uses it.
    ++removing_;
    finished_.wait(lock, [&, at = begin, bytes = block.bytes] {
        return running_ == nullptr || !running_->queue.front().touches(at, bytes);
    });
    --removing_;
    return true;
}

std::optional<Simulator::Memory> Simulator::memory_of(const void* data, std::size_t bytes) const {
    const std::lock_guard lock(mutex_);
    const auto* const at = static_cast<const std::byte*>(data);
    auto found = memory_.upper_bound(at);
    if (found == memory_.begin()) return std::nullopt;
    --found;
    if (at + bytes > found->first + found->second.bytes) return std::nullopt;
    return found->second.memory;
}

std::size_t Simulator::allocations() const {
    const std::lock_guard lock(mutex_);
    return memory_.size();
}

// ---- what it tells -----------------------------------------------------------------------------

std::exception_ptr Simulator::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

Simulator::Mistakes Simulator::mistakes() const {
    const std::lock_guard lock(mutex_);
    return mistakes_;
}

void Simulator::forget_mistakes() {
    const std::lock_guard lock(mutex_);
    mistakes_ = {};
}

void Simulator::forget() {
    const std::lock_guard lock(mutex_);
    mistakes_ = {};
    failure_ = nullptr;
}

std::string Simulator::describe() const {
    const std::lock_guard lock(mutex_);
    std::string text = std::to_string(awaited_.size()) + " threads wait for the simulator\n";
    for (const auto& stream : streams_) {
        if (stream->queue.empty()) continue;
        const Operation& first = stream->queue.front();
        text += "stream " + std::to_string(stream->number) + ": " +
                std::to_string(stream->queue.size()) + " operations, first ";
        switch (first.does) {
            case Operation::Does::work:
                text += "work, " + std::to_string(first.pieces_done) + " pieces done";
                break;
            case Operation::Does::record: text += "record"; break;
            case Operation::Does::wait:
                text += "wait";
                if (first.mark && !first.mark->done) {
                    text += " for stream " + std::to_string(first.mark->stream->number);
                }
                break;
        }
        text += stream->held ? ", held\n" : "\n";
    }
    return text;
}

}  // namespace headrace
