// The ring's memory (src/ring/layout.hpp), and beside it what no program sees: the books that the
// properties are about. Included by ring.pml.

// The slot's word (src/ring/word.hpp), with the whole index in it: two indices of equal tag are
// 2^44 apart, and this ring ends long before.
#define FREE    0
#define WRITING 1
#define READY   2
#define HOLE    3
#define LEASED  4
#define WORD(index, state, owner, incarnation, attempts) \
    ((index) << 9 | (owner) << 7 | (incarnation) << 5 | (attempts) << 3 | (state))
#define STATE(word)       ((word) & 7)
#define ATTEMPTS(word)    (((word) >> 3) & 3)
#define INCARNATION(word) (((word) >> 5) & 3)
#define OWNER(word)       (((word) >> 7) & 3)
#define INDEX(word)       ((word) >> 9)
#define WITH(word, state) (((word) & ~7) | (state))  // the same, in another state

#define MAX_ATTEMPTS 3
#define NOBODY 255
#define SLOT(index) ((index) % SLOTS)
#define BIT(place)  (1 << (place))
#define EVERY       (BIT(PRODUCERS) - 1)
#define LOWEST(set) ((set) & 1 -> 0 : ((set) & 2 -> 1 : 2))

#if SLOTS == 2
#define ANY_SLOT(condition) (condition(0) || condition(1))
#else
#define ANY_SLOT(condition) (condition(0) || condition(1) || condition(2))
#endif

// Published or a hole, and not yet taken: Protocol::is_settled_at().
#define IS_SETTLED(index)                 \
    (INDEX(word[SLOT(index)]) == (index) && \
     (STATE(word[SLOT(index)]) == READY || STATE(word[SLOT(index)]) == HOLE))
// Published, a hole, or gone by: what Protocol::is_all_settled() asks of each index.
#define IS_PAST(index)                      \
    (INDEX(word[SLOT(index)]) > (index) ||  \
     (INDEX(word[SLOT(index)]) == (index) && STATE(word[SLOT(index)]) >= READY))

// SlotDescriptor::word, at first WORD(slot, FREE, 0, 0, 0): Spin wants numbers here.
#if SLOTS == 2
short word[SLOTS] = { 0, 512 };
#else
short word[SLOTS] = { 0, 512, 1024 };
#endif
byte returned;       // the bitmap
byte tail;
byte released;
byte space_wanted;
byte wanted = NOBODY;
bool producers_asleep;
bool draining;       // Control::phase: open, or drain

// Counters that are only ever compared with an earlier value of themselves are kept as that
// comparison, which is exact as long as none wraps. A bit a producer:
byte space_quiet;    // it has loaded space_bell, which has not moved since
byte still;          // it has loaded `returns` to look through the bitmap, and that has not moved
byte news;           // returns != ClaimMemory::returns
bool ready_quiet;    // the consumer has loaded ready_bell, which has not moved since
bool woke_for_all;   // it has woken producers, and `released` has not moved since

// Who is asleep in the kernel (platform.hpp); a bit a producer.
byte dozing;
bool consumer_dozes;

// Producers' fates, a bit a producer. The service knows of `dead` by a pidfd, of `finished` by a
// farewell; `seen_off` are those whose slots it has reaped.
byte killed, dead, finished, seen_off;
byte stopped;
byte incarnation[PRODUCERS];
bool resumes;        // whoever is stopped may go on at any time
bool alarm_due;      // a waker was stopped between settling or returning an index and waking
byte waking;         // who is between the two
byte lent;           // slots whose leases another thread holds, a bit each
bool revoked;        // producer 0 was reaped although it lives

// The books.
short content[SLOTS];   // whose record's bytes lie in the slot: the word of the claim
short revoked_word;     // what was taken from a producer that lives
short delivered, holes; // a bit an index
bool consumer_done;
byte drops, skips, kills, stops;

// A rule of the protocol is asserted where it must hold. Mutants break a rule: there only its
// outcome counts, or nothing would be said about what the rule is for.
#ifdef MUTANT
#define RULE(condition) skip
#else
#define RULE(condition) assert(condition)
#endif

inline futex_wake_producers() { dozing = 0 }
inline futex_wake_consumer() { consumer_dozes = false }

inline exchange_and_wake() {
    if
    :: !producers_asleep
    :: atomic { producers_asleep -> producers_asleep = false };
        space_quiet = 0;
        futex_wake_producers()
    fi
}

// Protocol::wake_producers(): load, exchange, fetch_add, wake.
inline wake_producers() {
    if
    :: !producers_asleep
    :: producers_asleep -> exchange_and_wake()
    fi
}

inline ring_consumer() {
    ready_quiet = false;
    futex_wake_consumer()
}

// Protocol::wake_everybody()
inline wake_everybody() {
    producers_asleep = false;
    space_quiet = 0;
    futex_wake_producers();
    ring_consumer()
}

// The counter `returns`, by one.
inline bump_returns() {
    atomic { news = EVERY & ~(dead | finished); still = 0 }
}

// Protocol::after_settling()
inline after_settling(index) {
    if
    :: wanted == index -> ring_consumer()
    :: else
    fi;
#ifndef STREAM
    if
    :: index + SLOTS >= END && !producers_asleep
    :: index + SLOTS >= END && producers_asleep -> exchange_and_wake()
    :: else
    fi
#endif
}

// What is reached already is as good as nothing: `released` never falls. Part of an atomic block.
inline forget_space_wanted() {
    if
    :: space_wanted <= released -> space_wanted = 0
    :: else
    fi
}
