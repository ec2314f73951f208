// The plain answer to "why is my GPU waiting?".
#include <cmath>
#include <string>

#include "headrace/stats.hpp"

namespace headrace {

namespace {

std::string percent(double share) {
    return std::to_string(static_cast<int>(std::lround(share * 100))) + " %";
}

// Below this a faster ring would not be noticed.
constexpr double kNoticeable = 0.02;

// Of the time that producers, or consumers, were attached, the part in which they waited.
template <class Member>
double idle_share(const std::vector<Member>& members) {
    double had = 0, waited = 0;
    for (const Member& member : members) {
        had += member.attached_s;
        waited += member.waited_s;
    }
    return had > 0 ? waited / had : 0;
}

// Where consumers share the ring there is no loader, and never will be one.
std::string verdict_on_sharing(const Stats& stats) {
    const double waited = idle_share(stats.consumers);
    const std::string consumers = "the consumers waited " + percent(waited) + " of the time";
    if (waited >= kNoticeable) return consumers + ": add producers, or make them faster";
    return consumers + ": the producers keep up, and were idle for " +
           percent(idle_share(stats.producers)) + " of theirs";
}

}  // namespace

std::string Stats::verdict() const {
    if (!consumers.empty()) return verdict_on_sharing(*this);
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
    if (waited < kNoticeable) {
        return who + " waited " + percent(waited) +
               " of the time: the loader keeps up, and the producers were idle for " +
               percent(idle_share(producers)) + " of theirs";
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
