#include "cli/stat_table.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "cli/quantity.hpp"
#include "cli/table.hpp"
#include "cli/text.hpp"

namespace headrace::cli {

namespace {

constexpr std::size_t kTitleWidth = 10;

std::string line(std::string_view title, const std::string& text) {
    std::string out(title);
    out.append(kTitleWidth - std::min(kTitleWidth, title.size()), ' ');
    return out + text + "\n";
}

double per_second(double amount, double seconds) {
    return seconds > 0 ? amount / seconds : 0;
}

// What a counter rose by; a reader that looks twice may see it fall by what was under way.
double rise(std::uint64_t now, std::uint64_t before) {
    return now > before ? static_cast<double>(now - before) : 0;
}

std::string books_text(const Stats& stats) {
    const std::uint64_t right =
        stats.delivered + stats.in_ring + stats.prefetched + stats.lost + stats.discarded;
    // The terms are read one after another while the ring works: equality is for a ring at rest.
    return "claimed " + count_text(stats.claimed) + (right == stats.claimed ? " = " : " ~ ") +
           "delivered " + count_text(stats.delivered) + " + in the ring " +
           count_text(stats.in_ring) + " + prefetched " + count_text(stats.prefetched) +
           " + lost " + count_text(stats.lost) + " + discarded " + count_text(stats.discarded);
}

std::string troubles_text(const Stats& stats) {
    std::string out;
    const auto add = [&out](std::string_view what, std::uint64_t count) {
        if (count == 0) return;
        if (!out.empty()) out += ", ";
        out.append(what).append(" ").append(count_text(count));
    };
    add("skipped", stats.skipped);
    add("died", stats.died);
    add("dropped", stats.dropped);
    add("invalid", stats.invalid);
    add("returned", stats.returned);
    add("deaths", stats.deaths);
    add("redelivered", stats.redelivered);
    add("alarms", stats.alarms);
    return out;
}

// What a producer or consumer had done at the look before; nothing if it was not there then.
template <class Member>
Member as_it_was(const std::vector<Member>& before, const Member& now) {
    // An id is dealt again after its owner has gone. The pid would not tell the two apart: it is 1
    // in every container.
    const auto found = std::ranges::find_if(before, [&](const Member& candidate) {
        return candidate.id == now.id && candidate.incarnation == now.incarnation;
    });
    return found == before.end() ? Member{} : *found;
}

Row producer_row(const ProducerStats& now, const ProducerStats& before) {
    const double seconds = now.attached_s - before.attached_s;
    return {std::to_string(now.id),
            std::to_string(now.pid),
            printable(now.identity),
            std::string(name_of(now.state)),
            si_text(per_second(rise(now.published, before.published), seconds)),
            bytes_text(per_second(rise(now.payload_bytes, before.payload_bytes), seconds)) + "/s",
            count_text(now.published),
            count_text(now.skipped + now.dropped),
            share_text(now.waited_s - before.waited_s, seconds)};
}

std::string producers_text(const Stats& stats, const Stats& before) {
    if (stats.producers.empty()) return line("producers", "none yet");
    std::vector<Row> rows{{"id", "pid", "identity", "state", "records/s", "payload", "published",
                           "skipped or dropped", "waiting"}};
    for (const ProducerStats& producer : stats.producers) {
        rows.push_back(producer_row(producer, as_it_was(before.producers, producer)));
    }
    return line("producers", std::to_string(stats.producers.size())) + aligned(rows, {2, 3});
}

Row consumer_row(const ConsumerStats& now, const ConsumerStats& before) {
    const double seconds = now.attached_s - before.attached_s;
    return {std::to_string(now.id),
            std::to_string(now.pid),
            printable(now.identity),
            std::string(name_of(now.state)),
            si_text(per_second(rise(now.delivered, before.delivered), seconds)),
            count_text(now.delivered),
            share_text(now.waited_s - before.waited_s, seconds)};
}

// Nothing where none has come: few rings are shared.
std::string consumers_text(const Stats& stats, const Stats& before) {
    if (stats.consumers.empty()) return {};
    std::vector<Row> rows{{"id", "pid", "identity", "state", "records/s", "delivered", "waiting"}};
    for (const ConsumerStats& consumer : stats.consumers) {
        rows.push_back(consumer_row(consumer, as_it_was(before.consumers, consumer)));
    }
    return line("consumers", std::to_string(stats.consumers.size())) + aligned(rows, {2, 3});
}

// What the copy stream of a GPU was busy with; nothing for a device that tells no times.
std::string copy_stream_text(const Stats& stats) {
    if (stats.copying_s <= 0 && stats.stripping_s <= 0) return {};
    return line("", "the copy stream was copying " + share_text(stats.copying_s, stats.loader_s) +
                        ", stripping " + share_text(stats.stripping_s, stats.loader_s));
}

std::string loader_text(const Stats& stats) {
    if (stats.device.empty()) return line("loader", "none");
    const auto payload = static_cast<double>(stats.payload_bytes);
    const auto padding = static_cast<double>(stats.padding_bytes);
    const std::string memory =
        stats.host_memory.empty() ? "" : " from " + printable(stats.host_memory) + " memory";
    return line("loader", printable(stats.device) + ": " + count_text(stats.batches) +
                              " batches, payload " + bytes_text(payload) + ", moved " +
                              bytes_text(static_cast<double>(stats.link_bytes)) + memory +
                              ", padding not moved " + bytes_text(padding) + " (" +
                              share_text(padding, payload + padding) + ")") +
           copy_stream_text(stats) +
           line("", "the trainer waited " + share_text(stats.trainer_waited_s, stats.loader_s) +
                        " (for producers " +
                        share_text(stats.waited_for_producers_s, stats.loader_s) + ", for copies " +
                        share_text(stats.waited_for_copies_s, stats.loader_s) +
                        "); batches held back by it " +
                        share_text(stats.held_by_trainer_s, stats.loader_s));
}

}  // namespace

std::string fill_bar(const Stats& stats, std::size_t width) {
    static constexpr std::array<char, 3> kMarks{'+', '#', '='};
    const std::array<std::uint64_t, 3> parts{stats.writing, stats.ready, stats.leased};
    std::string bar;
    for (std::size_t part = 0; part < parts.size(); ++part) {
        if (stats.slots == 0 || parts[part] == 0) continue;
        const std::uint64_t share = parts[part] * width / stats.slots;
        const std::size_t marks = std::max<std::size_t>(1, static_cast<std::size_t>(share));
        bar.append(std::min(marks, width - bar.size()), kMarks[part]);
    }
    return bar.append(width - bar.size(), '.');
}

std::string stat_table(const Stats& stats, const Stats* before) {
    const Stats nothing;
    const Stats& earlier = before != nullptr ? *before : nothing;
    const double seconds = stats.age_s - earlier.age_s;
    const double delivered = rise(stats.delivered, earlier.delivered);
    const std::uint64_t used = stats.writing + stats.ready + stats.leased;
    const std::uint64_t free = stats.slots > used ? stats.slots - used : 0;

    std::string out = line(
        "ring", printable(stats.ring) + ": " + std::string(name_of(stats.phase)) +
                    (stats.incomplete ? ", incomplete" : "") + ", " + seconds_text(stats.age_s) +
                    " old, " + bytes_text(static_cast<double>(stats.memory_bytes)) +
                    (stats.huge_pages ? " in huge pages" : ""));
    out += line("slots", "[" + fill_bar(stats, 40) + "] of " + count_text(stats.slots) +
                             ": + writing " + count_text(stats.writing) + ", # ready " +
                             count_text(stats.ready) + ", = leased " + count_text(stats.leased) +
                             ", . free " + count_text(free));
    out += line("books", books_text(stats));
    const std::string troubles = troubles_text(stats);
    if (!troubles.empty()) out += line("", troubles);
    out += line("rate", si_text(per_second(delivered, seconds)) + " records/s delivered" +
                            (before != nullptr ? "" : ", on average"));
    out += producers_text(stats, earlier);
    out += consumers_text(stats, earlier);
    out += loader_text(stats);
    return out + line("verdict", printable(stats.verdict()));
}

}  // namespace headrace::cli
