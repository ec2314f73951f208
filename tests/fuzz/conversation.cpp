#include "fuzz/conversation.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "ring/proper_hello.hpp"
#include "ring/word.hpp"

namespace headrace::fuzz {

namespace {

constexpr std::size_t kMostActs = 24;

RingOptions endless(const std::string& folder) {
    return {.name = "fuzz",
            .schema = Schema::float_int(4, 4),
            .slots = 4,
            .epoch_records = 1'000'000,
            .directory = folder,
            .linger = std::chrono::hours(1000)};
}

template <class Condition>
void await(Condition&& condition, const char* what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        require(std::chrono::steady_clock::now() < deadline, what);
        std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
}

}  // namespace

Conversation::Conversation()
    : ring_(Ring::create(endless(folder_.path().string()))), consumer_(ring_.consumer()) {}

void Conversation::run(Input& input, bool is_bold) {
    for (std::size_t i = 0; i < kMostActs && !input.is_empty(); ++i) act(input, is_bold);
    for (Client& client : clients_) {
        await_answer(client);
        leave(client, is_bold);
    }
    expect_a_ring_that_works();
}

void Conversation::act(Input& input, bool is_bold) {
    const std::uint8_t which = input.byte();
    Client& client = clients_[which % 4];
    switch (which / 4 % 8) {
        case 0:
        case 1: return connect(client);
        case 2:
        case 3: return say_hello(client, input);
        case 4: return say_anything(client, input, is_bold);
        case 5: return say_farewell(client, ring::kWireMagic, input.byte() % 5);
        case 6: return await_answer(client);
        default: return leave(client, is_bold);
    }
}

void Conversation::connect(Client& client) {
    if (client.socket) return;
    int error = 0;
    client.socket = ring::connect_to(ring_.socket_path(), error);
    require(static_cast<bool>(client.socket), "the ring listens");
}

void Conversation::say_hello(Client& client, Input& input) {
    if (!client.socket || client.is_attached || client.is_asking) return;
    ring::Hello hello = proper_hello();
    const std::uint8_t patches = input.byte() % 4;
    const auto bytes = std::as_writable_bytes(std::span(&hello, 1));
    for (std::uint8_t i = 0; i < patches; ++i) {
        bytes[input.byte() % bytes.size()] = static_cast<std::byte>(input.byte());
    }
    if (patches == 3) input.overwrite(hello);
    const std::vector<int> fds = descriptors_.pick(input.byte(), client.is_live);
    client.is_asking = ring::send_message(client.socket.get(), bytes, fds);
}

// Bytes of any number, none as well.
void Conversation::say_anything(Client& client, Input& input, bool is_bold) {
    if (!client.socket || client.is_asking) return;
    if (client.is_attached && client.is_live && !is_bold) return;
    bool is_live = false;
    const std::vector<int> fds = descriptors_.pick(input.byte(), is_live);
    std::vector<std::uint8_t> bytes(input.number<std::uint16_t>() % 1024);
    std::ranges::copy(input.take(bytes.size()), bytes.begin());
    const bool sent = ring::send_message(client.socket.get(), std::as_bytes(std::span(bytes)), fds);
    client.is_asking = sent && !client.is_attached;
}

void Conversation::say_farewell(Client& client, std::uint32_t magic, std::uint32_t kind) {
    if (!client.socket || client.is_asking) return;
    const ring::Farewell farewell{magic, kind};
    const bool sent =
        ring::send_message(client.socket.get(), std::as_bytes(std::span(&farewell, 1)));
    client.is_asking = sent && !client.is_attached;
    client.is_attached = false;
}

// The trainer answers whatever it is asked, if by hanging up.
void Conversation::await_answer(Client& client) {
    if (!client.socket || !client.is_asking) return;
    client.is_asking = false;
    pollfd look{.fd = client.socket.get(), .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        ready = poll(&look, 1, 10'000);
    } while (ready < 0 && errno == EINTR);  // libFuzzer's own clock rings
    require(ready == 1, "the trainer answers within ten seconds");
    ring::Welcome welcome{};
    std::vector<ring::UniqueFd> fds;
    const auto received = ring::receive_message(
        client.socket.get(), std::as_writable_bytes(std::span(&welcome, 1)), fds);
    if (received <= 0) {
        client.socket.reset();
        return;
    }
    require(welcome.magic == ring::kWireMagic, "an answer is a welcome");
    require(fds.size() == (welcome.accepted != 0 ? 2u : 0u), "memory comes with a welcome only");
    if (welcome.accepted == 0) {
        require(std::ranges::count(welcome.refusal, '\0') != 0, "a refusal ends");
        require(welcome.refusal[0] != '\0', "a refusal says why");
    }
    client.is_attached = welcome.owner != ring::kTrainer;
}

void Conversation::leave(Client& client, bool is_bold) {
    if (client.is_attached && client.is_live && !is_bold) {
        say_farewell(client, ring::kWireMagic, ring::Farewell::finished);
    }
    client = {};
}

void Conversation::expect_a_ring_that_works() {
    const auto is_there = [this](ProducerState state) {
        return std::ranges::any_of(ring_.stats().producers, [state](const ProducerStats& each) {
            return each.state == state;
        });
    };
    // A connection that broke off while its process lives is kept until that dies.
    await(
        [&] {
            if (is_there(ProducerState::contact_lost)) descriptors_.renew();
            return !is_there(ProducerState::attached) && !is_there(ProducerState::contact_lost);
        },
        "all that came is gone");
    {
        auto producer = Producer::attach("fuzz", {.directory = folder_.path().string()});
        const std::vector<float> floats{static_cast<float>(++records_ % 1000), 2.5f};
        require(producer.put(floats, {}) == Outcome::ready, "a producer that means well is served");
        auto record = consumer_.get_for(std::chrono::seconds(10));
        if (record.outcome() == Outcome::end_of_epoch) {
            record = consumer_.get_for(std::chrono::seconds(10));
        }
        require(record && std::ranges::equal(record->field<float>(0), floats), "it is delivered");
    }
    // Whatever was sent along is closed.
    const ring::UniqueFd probe(dup(0));
    require(probe.get() < 200, "descriptors do not pile up");
}

}  // namespace headrace::fuzz
