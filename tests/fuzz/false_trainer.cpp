#include "fuzz/false_trainer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "fuzz/seal.hpp"
#include "fuzz/walk.hpp"
#include "headrace/error.hpp"
#include "ring/participant.hpp"
#include "ring/rendezvous.hpp"

namespace headrace::fuzz {

namespace {

constexpr std::size_t kMostBytes = std::size_t{512} << 10;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// A mapping of it can never fault.
void expect_safe(int memory, std::span<const std::byte> mapping) {
    struct stat file {};
    require(fstat(memory, &file) == 0 && static_cast<std::size_t>(file.st_size) == mapping.size(),
            "what was accepted is as large as its mapping");
    require((fcntl(memory, F_GET_SEALS) & kSeals) == kSeals, "what was accepted is sealed");
}

ring::Description description() {
    return {.name = "false", .schema = Schema::float_int(4, 4), .slots = 4, .sampler = {}};
}

ring::Welcome proper_welcome(std::uint64_t bytes) {
    ring::Welcome welcome{};
    welcome.magic = ring::kWireMagic;
    welcome.version = ring::kWireVersion;
    welcome.accepted = 1;
    welcome.owner = 1;
    welcome.memory_bytes = bytes;
    return welcome;
}

}  // namespace

FalseTrainer::FalseTrainer()
    : listener_(ring::listen_at(folder_.path().string(), "false")), own_(ring::own_pidfd()) {
    std::thread([this] { serve(); }).detach();  // as long as the process
}

void FalseTrainer::serve() {
    for (;;) {
        pollfd look{.fd = listener_.get(), .events = POLLIN, .revents = 0};
        poll(&look, 1, -1);
        const ring::UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket) continue;
        // To hang up on what was not read yet would take the answer back.
        look.fd = socket.get();
        ring::Hello hello{};
        std::vector<ring::UniqueFd> came;
        poll(&look, 1, 1000);
        ring::receive_message(socket.get(), std::as_writable_bytes(std::span(&hello, 1)), came);
        const std::lock_guard lock(mutex_);
        if (!answer_.empty()) ring::send_message(socket.get(), answer_, fds_);
    }
}

// The memory of a ring, or what looks like one: as the first byte says, the input's own header, no
// seals, a seal more, another size, and told to be as large as it should be. `bytes` is what is
// told.
ring::UniqueFd FalseTrainer::make_memory(Input& input, std::uint64_t& bytes) {
    const std::uint8_t choice = input.byte();
    ring::Description proper = description();
    const ring::Geometry geometry = ring::Geometry::of(proper.schema, proper.slots);
    std::vector<std::byte> content(geometry.memory_bytes);
    ring::format(content, proper);
    if ((choice & 1) != 0) {
        ring::Header header;
        std::memcpy(&header, content.data(), sizeof(header));
        auto* const at = reinterpret_cast<std::uint8_t*>(&header);
        for (std::uint8_t i = input.byte() % 8; i > 0; --i) {
            at[input.number<std::uint16_t>() % sizeof(header)] = input.byte();
        }
        if ((choice & 2) != 0) put_geometry_right(header, kMostBytes);
        put_identity_right(header);
        std::memcpy(content.data(), &header, sizeof(header));
        content.resize(std::min<std::uint64_t>(header.memory_bytes, kMostBytes));
    }
    if ((choice & 4) != 0) content.resize(input.number<std::uint32_t>() % kMostBytes);
    bytes = (choice & 32) != 0 ? geometry.memory_bytes : content.size();
    ring::UniqueFd memory(memfd_create("false", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    require(
        write(memory.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
        "there is memory");
    int seals = kSeals;
    if ((choice & 8) != 0) seals &= ~(1 << (input.byte() % 8));
    if ((choice & 16) != 0) seals |= F_SEAL_WRITE;
    fcntl(memory.get(), F_ADD_SEALS, seals);
    return memory;
}

void FalseTrainer::run(Input& input) {
    const std::uint8_t choice = input.byte();
    std::uint64_t bytes = 0;
    const ring::UniqueFd memory = make_memory(input, bytes);
    ring::Welcome welcome = proper_welcome(bytes);
    auto* const at = reinterpret_cast<std::uint8_t*>(&welcome);
    for (std::uint8_t i = input.byte() % 8; i > 0; --i) {
        at[input.byte() % sizeof(welcome)] = input.byte();
    }
    {
        const std::lock_guard lock(mutex_);
        bool is_live = false;
        fds_ = (choice & 2) != 0 ? descriptors_.pick(input.byte(), is_live)
                                 : std::vector<int>{memory.get(), own_.get()};
        const auto whole = std::as_bytes(std::span(&welcome, 1));
        answer_.assign(whole.begin(), whole.end());
        if ((choice & 4) != 0) answer_.resize(input.number<std::uint16_t>() % 1024);
    }
    const bool as_observer = (choice & 1) != 0;
    const std::chrono::milliseconds patience(100);
    std::optional<detail::Attachment> attachment;
    try {
        attachment = detail::attach(
            "false", {.timeout = patience, .directory = folder_.path().string(), .identity = "f"},
            as_observer ? ring::Role::observer : ring::Role::producer, patience);
    } catch (const Error& error) {
        require(error.what()[0] != '\0', "a refusal says why");
    }
    if (attachment) {
        const std::span<std::byte> mapping = attachment->mapping.bytes();
        expect_safe(memory.get(), mapping);
        look(mapping, attachment->description);
        if (!as_observer) produce(mapping, attachment->description, input);
    }
    const std::lock_guard lock(mutex_);
    answer_.clear();
    fds_.clear();
}

}  // namespace headrace::fuzz
