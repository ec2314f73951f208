// The ring's protocol as a model for Spin: the steps of src/ring/protocol_*.hpp and of those who
// call it, one atomic operation each, in any order, with producers that are killed or stopped
// between any two. tests/model/run says which sizes are explored and which faults must be found.
//
// Everything is sequentially consistent, as the code is. No sleeper has an alarm: wake-ups alone
// must do, but for a waker that is stopped between settling an index and waking.
//
//   SLOTS, END     the ring, and where its indices end: after two laps
//   RANGE          the records that the consumer waits for and takes together, 1 or 2
//   SHARE          the free slots that are worth waking producers for: a quarter of a larger ring
//   SKIPS, DROPS   how many records are skipped, given back
//   KILLS, STOPS   how often a producer is killed, stopped
//   REPLACED       whoever was killed comes again, with the next incarnation of its id
//   REVOKES        producer 0 is reaped once though it lives, as by a proof of death that is wrong
//   RELEASER       leases are given back by another thread, in any order
//   STREAM, QUOTA  a ring without end, whose producers finish after so many records; END bounds it
//   DRAINS, BURIES the ring ends when nobody is left; what came back becomes holes before
//   MUTANT_...     a fault
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef RANGE
#define RANGE 1
#endif
#ifndef SHARE
#define SHARE 1
#endif
#ifndef REPLACED
#define REPLACED 0
#endif
#define PRODUCERS 2

#ifdef STREAM
#define END (PRODUCERS * QUOTA + 2)  // never reached
#define IS_ENDLESS true
#define DRAINS
#define BURIES 1
#define FIRST_OF_LAST_LAP 0
#else
#ifndef END
#define END (2 * SLOTS)
#endif
#define IS_ENDLESS false
#define FIRST_OF_LAST_LAP (END - SLOTS)
#endif

// Holes that need neither a skip nor the third attempt: a stream's deaths, and what is buried.
#if defined(STREAM) || BURIES
#define LOSES true
#else
#define LOSES false
#endif

#include "memory.pml"
#include "producer.pml"
#include "consumer.pml"
#include "service.pml"
#include "fate.pml"
