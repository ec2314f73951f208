#include "fuzz/walk.hpp"

#include <algorithm>
#include <array>

#include "ring/snapshot.hpp"

namespace headrace::fuzz {

namespace {

void expect_fields_inside(std::span<std::byte> memory, const ring::Protocol& protocol) {
    for (const detail::FieldView& field : protocol.rows().fields) {
        const std::byte* const end = field.rows + field.row_bytes * protocol.slots();
        require(field.rows >= memory.data() && end <= memory.data() + memory.size(),
                "rows lie in the memory");
        require(std::uint64_t{field.capacity} * field.element_bytes <= field.row_bytes,
                "a row holds its capacity");
    }
}

void write_row(const ring::Protocol& protocol, std::uint64_t index) {
    for (const detail::FieldView& field : protocol.rows().fields) {
        std::byte* const row = field.rows + protocol.slot_of(index) * field.row_bytes;
        std::fill_n(row, std::size_t{field.capacity} * field.element_bytes, std::byte{0x5a});
    }
}

}  // namespace

void look(std::span<std::byte> memory, const ring::Description& description) {
    require(ring::Geometry::of(description.schema, description.slots).memory_bytes == memory.size(),
            "what was accepted is as large as the memory");
    const ring::Protocol protocol(memory, description);
    expect_fields_inside(memory, protocol);
    const Stats stats = ring::snapshot(protocol, description, memory.size());
    require(stats.writing + stats.ready + stats.leased <= description.slots,
            "no more slots are counted than there are");
    require(stats.producers.size() < ring::kOwners, "no more producers than ids");
    require(!stats.verdict().empty(), "there is a verdict");
    name_of(stats.phase);
    for (const ProducerStats& producer : stats.producers) name_of(producer.state);
    protocol.control().abort_reason.load();
}

void produce(std::span<std::byte> memory, const ring::Description& description, Input& input) {
    ring::Protocol protocol(memory, description);
    const ring::Owner me{1, 1};
    ring::ClaimMemory remembered;
    const std::array<std::int64_t, kMaxFields> lengths{};
    for (int i = 0; i < 4; ++i) {
        const ring::Claim claim = protocol.try_claim(me, remembered);
        if (claim.state != ring::ClaimState::claimed) continue;
        if (description.sampler) {
            description.epoch_of(claim.index, claim.floor);
            require(description.item_of(claim.index, claim.floor) <
                        description.sampler->options().epoch_records,
                    "an item is one of the epoch's");
        }
        write_row(protocol, claim.index);
        bool came_back = false;
        switch (input.byte() % 3) {
            case 0:
                protocol.publish(claim.index, claim.word,
                                 std::span(lengths).first(description.schema.size()));
                break;
            case 1: protocol.skip(claim.index, claim.word, {HoleKind::skipped, "told to"}); break;
            default: protocol.give_back(claim.index, claim.word, came_back);
        }
    }
}

}  // namespace headrace::fuzz
