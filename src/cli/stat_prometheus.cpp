#include "cli/stat_prometheus.hpp"

#include <charconv>
#include <initializer_list>
#include <utility>
#include <vector>

#include "cli/text.hpp"

namespace headrace::cli {

namespace {

using Label = std::pair<std::string_view, std::string>;  // name, bytes yet to be escaped
using Labels = std::vector<Label>;

std::string number_text(double value) {
    char text[32];  // the shortest form that reads back the same has 24 characters at most
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    return std::string(text, end);
}

// Writes metric by metric. All samples of a metric follow its TYPE line, as the format demands.
class Exposition {
  public:
    explicit Exposition(Labels common) : common_(std::move(common)) {}

    void metric(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
        text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    }
    void sample(const Labels& labels, std::string_view value) {
        text_ += name_;
        char separator = '{';
        for (const Labels* list : {&std::as_const(common_), &labels}) {
            for (const auto& [name, bytes] : *list) {
                text_ += separator;
                text_.append(name).append("=\"").append(label_value(bytes)).append("\"");
                separator = ',';
            }
        }
        text_.append("} ").append(value).append("\n");
    }
    void sample(const Labels& labels, std::uint64_t value) {
        sample(labels, std::to_string(value));
    }
    void sample(const Labels& labels, double value) { sample(labels, number_text(value)); }

    template <class T>
    void counter(std::string_view name, std::string_view help, T value) {
        metric(name, "counter", help);
        sample({}, value);
    }
    template <class T>
    void gauge(std::string_view name, std::string_view help, T value) {
        metric(name, "gauge", help);
        sample({}, value);
    }
    std::string take() { return std::move(text_); }

  private:
    Labels common_;
    std::string name_;
    std::string text_;
};

std::uint64_t flag(bool value) {
    return value ? 1 : 0;
}

void write_ring(Exposition& out, const Stats& stats) {
    out.metric("headrace_ring_phase", "gauge", "1 for the phase that the ring is in, else 0.");
    for (const Phase phase : {Phase::open, Phase::drain, Phase::closed, Phase::aborted}) {
        out.sample({{"phase", std::string(name_of(phase))}}, flag(phase == stats.phase));
    }
    out.gauge("headrace_ring_incomplete", "1 when data was lost with a producer nobody replaced.",
              flag(stats.incomplete));
    out.gauge("headrace_ring_age_seconds", "Time since the ring was made.", stats.age_s);
    out.gauge("headrace_ring_slots", "Places for records.", std::uint64_t{stats.slots});
    out.gauge("headrace_ring_memory_bytes", "Shared memory of the ring.", stats.memory_bytes);
    out.gauge("headrace_ring_huge_pages", "1 when the kernel agreed to huge pages.",
              flag(stats.huge_pages));
    out.metric("headrace_ring_slots_used", "gauge", "Slots by what is going on in them.");
    out.sample({{"state", "writing"}}, stats.writing);
    out.sample({{"state", "ready"}}, stats.ready);
    out.sample({{"state", "leased"}}, stats.leased);
}

void write_books(Exposition& out, const Stats& stats) {
    out.counter("headrace_records_claimed_total",
                "Indices ever claimed, or passed over by a reset.", stats.claimed);
    out.counter("headrace_records_delivered_total",
                "Records handed to the trainer, or to consumers that share the ring.",
                stats.delivered);
    out.gauge("headrace_records_in_ring", "Records being written, published or leased.",
              stats.in_ring);
    out.gauge("headrace_records_prefetched", "Records in batches not yet asked for.",
              stats.prefetched);
    out.metric("headrace_records_lost_total", "counter", "Indices that became holes, by reason.");
    out.sample({{"reason", "skipped"}}, stats.skipped);
    out.sample({{"reason", "died"}}, stats.died);
    out.sample({{"reason", "dropped"}}, stats.dropped);
    out.sample({{"reason", "invalid"}}, stats.invalid);
    out.counter("headrace_records_discarded_total",
                "Records of short last batches, and prefetched ones, that nobody wanted; and "
                "indices that a reset passed over.",
                stats.discarded);
    out.counter("headrace_records_returned_total",
                "Indices that came back from a dead or dropping producer.", stats.returned);
    out.counter("headrace_deaths_total", "Producers that died, and consumers that share the ring.",
                stats.deaths);
    out.counter("headrace_records_redelivered_total",
                "Records that a consumer had taken when it died or went, and that go to another.",
                stats.redelivered);
    out.counter("headrace_alarms_total",
                "Looks after half a second of sleep that found what no wake-up had told.",
                stats.alarms);
}

constexpr std::string_view noun_of(const ProducerStats&) {
    return "producer";
}
constexpr std::string_view noun_of(const ConsumerStats&) {
    return "consumer";
}

// The first two tell it from all others: with an id that is dealt again, counters begin anew.
template <class Member>
Labels labels_of(const Member& member) {
    return {{noun_of(member), std::to_string(member.id)},
            {"incarnation", std::to_string(member.incarnation)},
            {"pid", std::to_string(member.pid)},
            {"identity", member.identity}};
}

template <class Member, class Value>
void write_counter(Exposition& out, const std::vector<Member>& members, std::string_view name,
                   std::string_view help, Value value_of) {
    out.metric(name, "counter", help);
    for (const Member& member : members) out.sample(labels_of(member), value_of(member));
}

template <class Member>
void write_states(Exposition& out, const std::vector<Member>& members, std::string_view name,
                  std::string_view help) {
    out.metric(name, "gauge", help);
    for (const Member& member : members) {
        for (const ProducerState state :
             {ProducerState::attached, ProducerState::finished, ProducerState::died,
              ProducerState::left, ProducerState::contact_lost}) {
            Labels labels = labels_of(member);
            labels.emplace_back("state", std::string(name_of(state)));
            out.sample(labels, flag(state == member.state));
        }
    }
}

void write_producers(Exposition& out, const Stats& stats) {
    using P = ProducerStats;
    if (stats.producers.empty()) return;
    write_states(out, stats.producers, "headrace_producer_state",
                 "1 for the state a producer is in, else 0.");
    write_counter(out, stats.producers, "headrace_producer_records_claimed_total",
                  "Records claimed.", [](const P& p) { return p.claimed; });
    write_counter(out, stats.producers, "headrace_producer_records_published_total",
                  "Records published.", [](const P& p) { return p.published; });
    write_counter(out, stats.producers, "headrace_producer_records_skipped_total",
                  "Records skipped with a reason.", [](const P& p) { return p.skipped; });
    write_counter(out, stats.producers, "headrace_producer_records_dropped_total",
                  "Records given back unpublished.", [](const P& p) { return p.dropped; });
    write_counter(out, stats.producers, "headrace_producer_payload_bytes_total",
                  "Payload published.", [](const P& p) { return p.payload_bytes; });
    write_counter(out, stats.producers, "headrace_producer_attached_seconds_total",
                  "Time attached.", [](const P& p) { return p.attached_s; });
    write_counter(out, stats.producers, "headrace_producer_waiting_seconds_total",
                  "Time spent waiting for a place or for work.",
                  [](const P& p) { return p.waited_s; });
}

void write_consumers(Exposition& out, const Stats& stats) {
    using C = ConsumerStats;
    if (stats.consumers.empty()) return;
    write_states(out, stats.consumers, "headrace_consumer_state",
                 "1 for the state a consumer is in, else 0.");
    write_counter(out, stats.consumers, "headrace_consumer_records_delivered_total",
                  "Records taken and given back.", [](const C& c) { return c.delivered; });
    write_counter(out, stats.consumers, "headrace_consumer_attached_seconds_total",
                  "Time attached.", [](const C& c) { return c.attached_s; });
    write_counter(out, stats.consumers, "headrace_consumer_waiting_seconds_total",
                  "Time spent waiting for records.", [](const C& c) { return c.waited_s; });
}

void write_loader(Exposition& out, const Stats& stats) {
    if (stats.device.empty()) return;
    out.metric("headrace_loader_info", "gauge",
               "Always 1; the labels name the device, and how it reaches the ring's memory.");
    out.sample({{"device", stats.device}, {"host_memory", stats.host_memory}}, flag(true));
    out.counter("headrace_loader_batches_total", "Batches handed to the trainer.", stats.batches);
    out.counter("headrace_loader_payload_bytes_total", "Payload of the records delivered.",
                stats.payload_bytes);
    out.counter("headrace_loader_padding_bytes_total", "Padding of the records' slots.",
                stats.padding_bytes);
    out.counter("headrace_loader_link_bytes_total", "Bytes moved from the ring to the device.",
                stats.link_bytes);
    out.counter("headrace_loader_copying_seconds_total",
                "Time the copy stream moved batches to the device.", stats.copying_s);
    out.counter("headrace_loader_stripping_seconds_total",
                "Time the copy stream stripped and filled padding.", stats.stripping_s);
    out.counter("headrace_loader_seconds_total", "Time since the first batch was asked for.",
                stats.loader_s);
    out.counter("headrace_loader_trainer_waiting_seconds_total",
                "Time the trainer waited for a batch.", stats.trainer_waited_s);
    out.metric("headrace_loader_waiting_seconds_total", "counter",
               "The parts of the trainer's waiting, by what was waited for.");
    out.sample({{"for", "producers"}}, stats.waited_for_producers_s);
    out.sample({{"for", "copies"}}, stats.waited_for_copies_s);
    out.counter("headrace_loader_held_by_trainer_seconds_total",
                "Time the loader waited for a batch to be given back.", stats.held_by_trainer_s);
}

}  // namespace

std::string label_value(std::string_view bytes) {
    std::string out;
    // Line by line, because printable() would take the line feeds away.
    while (true) {
        const std::size_t end = bytes.find('\n');
        for (const char c : printable(bytes.substr(0, end))) {
            if (c == '\\' || c == '"') out += '\\';
            out += c;
        }
        if (end == std::string_view::npos) return out;
        out += "\\n";
        bytes.remove_prefix(end + 1);
    }
}

std::string stat_prometheus(const Stats& stats) {
    Exposition out({{"ring", stats.ring}});
    write_ring(out, stats);
    write_books(out, stats);
    write_producers(out, stats);
    write_consumers(out, stats);
    write_loader(out, stats);
    return out.take();
}

}  // namespace headrace::cli
