// The plain answer to "why is my GPU waiting?".
#include <cmath>
#include <string>

#include "headrace/stats.hpp"

namespace headrace {

namespace {

std::string percent(double share) {
    return std::to_string(static_cast<int>(std::lround(share * 100))) + " %";
}

// Of the time that the attached producers had, the part in which they waited for a place.
double idle_share(const Stats& stats) {
    double had = 0, waited = 0;
    for (const ProducerStats& producer : stats.producers) {
        had += producer.attached_s;
        waited += producer.waited_s;
    }
    return had > 0 ? waited / had : 0;
}

}  // namespace

std::string Stats::verdict() const {
    if (batches == 0 || loader_s <= 0) {
        if (trainer_waited_s > 0) {
            return producers.empty() ? "the trainer waits, and no producer has attached"
                                     : "the trainer waits for its first batch";
        }
        return "no batch has been asked for yet";
    }
    // A trainer on a GPU waits with its stream: what counts is whether the GPU stands idle.
    const std::string who = device.starts_with("cuda") ? "the GPU" : "the trainer";
    const double waited = trainer_waited_s / loader_s;
    const double for_producers = waited_for_producers_s / loader_s;
    const double for_copies = waited_for_copies_s / loader_s;
    // Below this a faster loader would not be noticed.
    constexpr double kNoticeable = 0.02;
    if (waited < kNoticeable) {
        return who + " waited " + percent(waited) +
               " of the time: the loader keeps up, and the producers were idle for " +
               percent(idle_share(*this)) + " of theirs";
    }
    const double for_neither = waited - for_producers - for_copies;
    if (for_neither > for_producers && for_neither > for_copies) {
        return who + " waited " + percent(for_neither) +
               " of the time for neither producers nor copies: the processors are busy elsewhere, "
               "or "
               "the trainer holds its batches for too long";
    }
    if (for_producers >= for_copies) {
        return who + " waited " + percent(for_producers) +
               " of the time for producers: add producers, or make them faster";
    }
    if (device == "host") {
        return who + " waited " + percent(for_copies) +
               " of the time for copies: the memory is the limit; make records smaller, or batches "
               "deeper";
    }
    if (host_memory == "bounced") {
        return who + " waited " + percent(for_copies) +
               " of the time for copies to the device: the ring's memory could not be pinned, and "
               "batches go through a buffer; give the process the right to pin it";
    }
    if (stripping_s > copying_s) {
        return who + " waited " + percent(for_copies) +
               " of the time for copies to the device, most of it for stripping: other work keeps "
               "the GPU busy; make batches deeper";
    }
    return who + " waited " + percent(for_copies) +
           " of the time for copies to the device: the link is the limit; make records smaller, "
           "or batches deeper";
}

}  // namespace headrace
