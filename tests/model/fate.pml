// What happens to producers, and the judge of what is left when nothing moves any more. Included by
// ring.pml.

#if KILLS || STOPS
// Producers are alike, so it is producer 0 that is killed or stopped first.
active proctype Fate() {
end_idle:
    if
#if KILLS
    :: atomic {
            kills < KILLS && !((dead | finished | killed) & 1) ->
            kills++; killed = killed | 1; stopped = stopped & ~1
        }
#endif
#if KILLS > 1
    :: atomic {
            kills < KILLS && kills > 0 && !((dead | finished | killed) & 2) ->
            kills++; killed = killed | 2
        }
#endif
#if STOPS
    :: atomic {
            stops < STOPS && !((dead | finished | killed | stopped) & 1) ->
            stops++; stopped = stopped | 1;
            alarm_due = (waking & 1) != 0
        }
    :: atomic { resumes -> resumes = false; stopped = 0 }
#endif
    fi;
    goto end_idle
}
#endif

// Something claimable: when nothing moves, the lowest free word is at the tail or came back.
#define IS_CLAIMABLE(slot) (STATE(word[slot]) == FREE && INDEX(word[slot]) < END)
#define IS_OVER(slot) (IS_PAST(FIRST_OF_LAST_LAP + slot))
#define IS_ALL_SETTLED (!IS_ENDLESS && IS_OVER(0) && IS_OVER(1) && (SLOTS == 2 || IS_OVER(2)))

// What the consumer should have been given before the ring ended. An index that came back under the
// tail's very place is as one that was never claimed.
#define IS_PENDING(slot) \
    (STATE(word[slot]) != FREE || (ATTEMPTS(word[slot]) > 0 && INDEX(word[slot]) < tail))

// Part of an atomic block.
inline check_sleepers() {
    assert(!consumer_dozes || !(IS_SETTLED(wanted) || draining));
    assert(!(dozing & ~(dead | stopped)) ||
           !(ANY_SLOT(IS_CLAIMABLE) || IS_ALL_SETTLED || draining))
}

// When nothing moves: nobody sleeps although what it waits for has happened, and then, with nobody
// stopped any more, everybody has come to the end and every index is accounted for.
active proctype Judge() {
#if STOPS
quiet:
    atomic {
        timeout ->
        if
        :: alarm_due ->  // kAlarm has passed: ProducerCore::look_after_alarm()
            alarm_due = false;
            news = news | dozing; dozing = 0; consumer_dozes = false;
            if
            :: stopped -> resumes = true
            :: true
            fi;
            goto quiet
        :: else
        fi;
        check_sleepers();
        if
        :: stopped -> stopped = 0; goto quiet  // its late steps come after all the others'
        :: else
        fi
    }
#else
    atomic { timeout -> check_sleepers() }
#endif
    atomic {
        assert(consumer_done);
        assert((finished | dead) == EVERY);
#if RELEASER
        assert(lent == 0);
#endif
#ifdef DRAINS
        // Without a gap, and all that was ever claimed, unless it was left for a run to come.
        assert(((delivered | holes) & ((delivered | holes) + 1)) == 0);
        assert(!BURIES || !(ANY_SLOT(IS_PENDING)))
#else
        assert((delivered | holes) == BIT(END) - 1);
        assert(tail == END)
#endif
    }
}
