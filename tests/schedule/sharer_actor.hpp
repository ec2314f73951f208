// A consumer that shares the ring with others: the calls of SharedConsumerCore
// (src/ring/shared_consumer.cpp), in its order.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/party.hpp"
#include "schedule/scheduled_protocol.hpp"

namespace headrace::ring::schedule {

class Trial;

class SharerActor final : public Party {
  public:
    SharerActor(Trial& trial, Owner owner);

  protected:
    void run() override;

  private:
    Take try_take();
    Take wait_and_take();
    void check_end(const Take& take, std::uint64_t floor_before);
    void accept(const Take& take);
    void settle(std::uint64_t index, Settled as);
    void deliver_held(std::size_t place);

    Trial& trial_;
    TakeMemory memory_;
    std::vector<std::uint64_t> held_;
};

}  // namespace headrace::ring::schedule
