// A snapshot with something in every member, for the tests of what renders it.
#pragma once

#include <string>

#include "headrace/stats.hpp"

namespace headrace::cli {

/// Quotes, backslash, line feed, escape, a byte that is no UTF-8, a letter of two bytes.
inline const std::string kOddIdentity = "a\"b\\c\nd\x1B[2Je\xFF\xC3\xBC";

inline Stats sample_stats() {
    Stats stats;
    stats.ring = "voices";
    stats.phase = Phase::open;
    stats.age_s = 12.5;
    stats.slots = 100;
    stats.memory_bytes = 17'000'000;
    stats.huge_pages = true;
    stats.claimed = 1244;
    stats.delivered = 1200;
    stats.in_ring = 30;
    stats.prefetched = 4;
    stats.lost = 10;
    stats.skipped = 7;
    stats.died = 1;
    stats.dropped = 2;
    stats.returned = 5;
    stats.deaths = 3;
    stats.redelivered = 2;
    stats.writing = 1;
    stats.ready = 20;
    stats.leased = 9;
    ProducerStats first;
    first.id = 1;
    first.incarnation = 3;
    first.pid = 4001;
    first.identity = "wav2mel";
    first.claimed = 700;
    first.published = 690;
    first.skipped = 7;
    first.payload_bytes = 5'000'000;
    first.attached_s = 10;
    first.waited_s = 2.5;
    ProducerStats second = first;
    second.id = 2;
    second.pid = 4002;
    second.identity = kOddIdentity;
    second.state = ProducerState::died;
    second.dropped = 2;
    stats.producers = {first, second};
    ConsumerStats third;
    third.id = 3;
    third.incarnation = 5;
    third.pid = 4003;
    third.identity = "infer";
    third.delivered = 800;
    third.attached_s = 8;
    third.waited_s = 6;
    ConsumerStats fourth = third;
    fourth.id = 4;
    fourth.pid = 4004;
    fourth.identity = kOddIdentity;
    fourth.state = ProducerState::left;
    fourth.delivered = 400;
    stats.consumers = {third, fourth};
    stats.device = "host";
    stats.batches = 37;
    stats.payload_bytes = 9'000'000;
    stats.padding_bytes = 1'000'000;
    stats.link_bytes = 9'000'000;
    stats.host_memory = "pinned";
    stats.copying_s = 4;
    stats.stripping_s = 0.5;
    stats.loader_s = 10;
    stats.trainer_waited_s = 3;
    stats.waited_for_producers_s = 2;
    stats.waited_for_copies_s = 1;
    stats.held_by_trainer_s = 0.5;
    return stats;
}

}  // namespace headrace::cli
