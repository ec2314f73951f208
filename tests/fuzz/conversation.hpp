// The trainer's side of the rendezvous: a ring, and clients that say to it what the input says.
#pragma once

#include <array>
#include <cstdint>

#include "fuzz/descriptors.hpp"
#include "fuzz/input.hpp"
#include "gtest/temporary_folder.hpp"
#include "headrace/headrace.hpp"
#include "ring/rendezvous.hpp"

namespace headrace::fuzz {

class Conversation {
  public:
    Conversation();
    // `is_bold`: clients that have attached may break off, which takes the trainer a tenth of a
    // second to see; else they take their leave.
    void run(Input& input, bool is_bold);

  private:
    struct Client {
        ring::UniqueFd socket;
        bool is_asking = false;    // has said something that wants an answer
        bool is_attached = false;  // with the pidfd of a process that lives
        bool is_live = false;
    };

    void act(Input& input, bool is_bold);
    void connect(Client& client);
    void say_hello(Client& client, Input& input);
    void say_anything(Client& client, Input& input, bool is_bold);
    void say_farewell(Client& client, std::uint32_t magic, std::uint32_t kind);
    void await_answer(Client& client);
    void leave(Client& client, bool is_bold);
    // All that came is gone, and a producer that means well is served.
    void expect_a_ring_that_works();

    TemporaryFolder folder_;
    Ring ring_;
    Consumer consumer_;
    Descriptors descriptors_;
    std::array<Client, 4> clients_;
    std::uint64_t records_ = 0;
};

}  // namespace headrace::fuzz
