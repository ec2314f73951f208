// Fuzzes the rendezvous, over real sockets: what clients say to a trainer, whose ring must serve a
// good producer afterwards, and what a trainer says to whoever attaches.
//
//   byte 0      bit 0: who is fuzzed, the trainer or whoever attaches; the others 6: clients break
//               off as well, of which few inputs a second can be run
//   the rest    Conversation::act(), FalseTrainer::run()
#include "fuzz/conversation.hpp"
#include "fuzz/false_trainer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace headrace::fuzz;
    // Made once, and left to the end of the process: threads of theirs are at work.
    static Conversation& conversation = *new Conversation;
    static FalseTrainer& false_trainer = *new FalseTrainer;
    Input input(data, bytes);
    const std::uint8_t choice = input.byte();
    if ((choice & 1) == 0) {
        conversation.run(input, (choice & 0xfe) == 6);
    } else {
        false_trainer.run(input);
    }
    return 0;
}
