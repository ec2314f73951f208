#include "cli/stat_json.hpp"

#include <nlohmann/json.hpp>

#include "cli/text.hpp"

namespace headrace::cli {

namespace {

using Json = nlohmann::ordered_json;

Json producer_json(const ProducerStats& producer) {
    return Json{{"id", producer.id},
                {"incarnation", producer.incarnation},
                {"pid", producer.pid},
                {"identity", valid_utf8(producer.identity)},
                {"state", std::string(name_of(producer.state))},
                {"claimed", producer.claimed},
                {"published", producer.published},
                {"skipped", producer.skipped},
                {"dropped", producer.dropped},
                {"payload_bytes", producer.payload_bytes},
                {"attached_s", producer.attached_s},
                {"waited_s", producer.waited_s}};
}

Json consumer_json(const ConsumerStats& consumer) {
    return Json{{"id", consumer.id},
                {"incarnation", consumer.incarnation},
                {"pid", consumer.pid},
                {"identity", valid_utf8(consumer.identity)},
                {"state", std::string(name_of(consumer.state))},
                {"delivered", consumer.delivered},
                {"attached_s", consumer.attached_s},
                {"waited_s", consumer.waited_s}};
}

Json loader_json(const Stats& stats) {
    return Json{{"device", valid_utf8(stats.device)},
                {"batches", stats.batches},
                {"payload_bytes", stats.payload_bytes},
                {"padding_bytes", stats.padding_bytes},
                {"link_bytes", stats.link_bytes},
                {"host_memory", valid_utf8(stats.host_memory)},
                {"copying_s", stats.copying_s},
                {"stripping_s", stats.stripping_s},
                {"loader_s", stats.loader_s},
                {"trainer_waited_s", stats.trainer_waited_s},
                {"waited_for_producers_s", stats.waited_for_producers_s},
                {"waited_for_copies_s", stats.waited_for_copies_s},
                {"held_by_trainer_s", stats.held_by_trainer_s}};
}

}  // namespace

std::string stat_json(const Stats& stats, bool indented) {
    Json json{{"ring", valid_utf8(stats.ring)},
              {"phase", std::string(name_of(stats.phase))},
              {"incomplete", stats.incomplete},
              {"age_s", stats.age_s},
              {"slots", stats.slots},
              {"memory_bytes", stats.memory_bytes},
              {"huge_pages", stats.huge_pages},
              {"claimed", stats.claimed},
              {"delivered", stats.delivered},
              {"in_ring", stats.in_ring},
              {"prefetched", stats.prefetched},
              {"lost", stats.lost},
              {"discarded", stats.discarded},
              {"skipped", stats.skipped},
              {"died", stats.died},
              {"dropped", stats.dropped},
              {"invalid", stats.invalid},
              {"returned", stats.returned},
              {"deaths", stats.deaths},
              {"redelivered", stats.redelivered},
              {"alarms", stats.alarms},
              {"writing", stats.writing},
              {"ready", stats.ready},
              {"leased", stats.leased}};
    json["producers"] = Json::array();
    for (const ProducerStats& producer : stats.producers) {
        json["producers"].push_back(producer_json(producer));
    }
    json["consumers"] = Json::array();
    for (const ConsumerStats& consumer : stats.consumers) {
        json["consumers"].push_back(consumer_json(consumer));
    }
    json["loader"] = stats.device.empty() ? Json(nullptr) : loader_json(stats);
    json["verdict"] = valid_utf8(stats.verdict());
    return json.dump(indented ? 2 : -1);
}

}  // namespace headrace::cli
