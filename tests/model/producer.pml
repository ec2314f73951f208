// A producer: ProducerCore::claim(), then publish, skip or drop, until the end. Included by
// ring.pml.
//
// Each atomic block is one operation on the shared memory and what its result decides; in between
// anybody may run, and the producer may be killed or stopped.

#define ME     BIT(_pid)
#define MINE   (_pid + 1)  // Owner::id; 0 is the trainer
#define NOT_ME (EVERY - ME)

// Everything that it did not share is gone; whoever was asleep is not any more.
inline die() {
    atomic {
        killed & ME ->
        dead = dead | ME;
        killed = killed & NOT_ME;
        dozing = dozing & NOT_ME;
        space_quiet = space_quiet & NOT_ME;
        still = still & NOT_ME;
        news = news & NOT_ME;
        waking = waking & NOT_ME;
        w = 0; at = 0; left = 0; place = 0; below = FIRST_OF_LAST_LAP; announced = false
    }
}

// A bit of the bitmap is done with; after the last one: memory.returns = returns.
inline pass_bit() {
    left = left & ~BIT(place);
    place = 0;
    if
    :: left == 0 -> news = news & ~(still & ME); still = still & NOT_ME; goto at_tail
    :: else -> goto at_bit
    fi
}

// Nothing to claim: the first time round it says that it will sleep and looks again, then sleeps.
inline find_nothing() {
    w = 0; at = 0;
    if
    :: announced -> goto asleep
    :: else -> goto announce
    fi
}

// What a swap of our own word may be told of the world; for a mutant, nothing.
inline check_claim() {
    RULE(STATE(w) == FREE && INDEX(w) < END);
    RULE(!(BIT(SLOT(INDEX(w))) & returned) || ATTEMPTS(w) > 0 || revoked)
}

// A late swap of what was taken back fails: no word ever comes back.
inline check_swap() {
    assert(w != revoked_word)
}

#if STOPS
active [PRODUCERS] proctype Producer() provided (!(stopped & BIT(_pid))) {
#else
active [PRODUCERS] proctype Producer() {
#endif
    short w;         // the word as loaded, then as claimed
    byte at;         // the index, or the tail as loaded
    byte left;       // the bits of the bitmap that are not looked at yet
    byte place;      // a slot
    byte below = FIRST_OF_LAST_LAP;  // ClaimMemory::settled_below
    bool announced;  // a sleep, before this look
#ifdef STREAM
    byte written;
#endif

born:
    {
        goto claim;  // a block does not begin with a label
claim:  // Protocol::try_claim(): phase, and returns
#ifdef DRAINS
        if
        :: draining -> goto leave
        :: !draining
        fi;
#endif
        atomic {
            waking = waking & NOT_ME;
            at = 0;
            if
            :: news & ME -> still = still | ME; goto bitmap
            :: else -> goto at_tail
            fi
        }

bitmap:  // Protocol::claim_returned()
        atomic {
            left = returned;
            if
            :: left == 0 -> pass_bit()
            :: else -> goto at_bit
            fi
        }
at_bit:
        atomic {
            place = LOWEST(left);
            w = word[place];
            if
            :: STATE(w) == FREE && ATTEMPTS(w) > 0 && INDEX(w) < END -> goto swap_returned
            :: else -> w = 0; pass_bit()
            fi
        }
swap_returned:
#ifdef MUTANT_CLAIMER_CLEARS
        returned = returned & ~BIT(place);
#endif
        atomic {
            if
            :: word[place] == w ->
                check_claim();
                RULE(ATTEMPTS(w) > 0);  // or it is the next lap's, and was not this one's to claim
                at = INDEX(w);
                w = WORD(at, WRITING, MINE, incarnation[_pid], ATTEMPTS(w));
                word[place] = w; left = 0; place = 0; still = still & NOT_ME;
                goto claimed
            :: else -> w = 0; pass_bit()
            fi
        }

at_tail:  // the hint, then the word that decides
        atomic {
            at = tail;
            if
            :: at >= END -> at = 0; goto at_end
            :: at < END -> goto at_word
            fi
        }
#ifdef MUTANT_TICKETS
at_word:  // a ticket is taken first; its slot may be in use for a while yet
        atomic {
            if
            :: tail < END -> at = tail; tail++; goto ticket
            :: else -> at = 0; goto at_end
            fi
        }
ticket:
        atomic {
            word[SLOT(at)] == WORD(at, FREE, 0, 0, 0) ->
            w = WORD(at, WRITING, MINE, incarnation[_pid], 0);
            word[SLOT(at)] = w;
            goto claimed
        }
#else
at_word:
        atomic {
            w = word[SLOT(at)];
            if
            :: INDEX(w) < at -> find_nothing()
            :: INDEX(w) == at && STATE(w) == FREE -> goto swap_tail
            :: else -> w = 0; goto help
            fi
        }
swap_tail:
        atomic {
            if
            :: word[SLOT(at)] == w ->
                check_claim();
                w = WORD(at, WRITING, MINE, incarnation[_pid], ATTEMPTS(w));
                word[SLOT(at)] = w;
                goto move_tail
            :: else -> w = 0; at = 0; goto claim
            fi
        }
move_tail:
        atomic {
            if
            :: tail == at -> tail = at + 1
            :: else
            fi;
            goto claimed
        }
help:
        atomic {
            if
            :: tail == at -> tail = at + 1
            :: else
            fi;
            at = 0;
            goto claim
        }
#endif

at_end:  // Protocol::is_all_settled()
        atomic {
            if
            :: below == END -> goto leave
            :: below < END && IS_PAST(below) -> below++;
                if
                :: below == END -> goto leave
                :: else -> goto at_end
                fi
            :: else -> find_nothing()
            fi
        }

announce:  // Protocol::announce_producer_sleep(); also where a sleeper goes on that was woken
        atomic { !(dozing & ME) -> space_quiet = space_quiet | ME; announced = true }
        at = tail;
        atomic {
            space_wanted = (at + SHARE > SLOTS -> at + SHARE - SLOTS : 0);
            forget_space_wanted();
            at = 0
        }
        producers_asleep = true;
#ifdef MUTANT_NO_PRODUCER_RECHECK
        goto asleep;
#else
        goto claim;  // its load of `released` only orders, and here all is in order
#endif

asleep:  // Protocol::sleep_as_producer()
        atomic {
            if
            :: space_quiet & ME -> dozing = dozing | ME; space_quiet = space_quiet & NOT_ME
            :: else
            fi;
#ifdef MUTANT_NO_PRODUCER_RECHECK
            announced = false
        }
        atomic { !(dozing & ME) -> goto claim }
#else
            goto announce
        }
#endif

claimed:  // the record's bytes, into a slot that is its own
        atomic {
            announced = false; space_quiet = space_quiet & NOT_ME;
            assert(word[SLOT(at)] == w || revoked);
            content[SLOT(at)] = (revoked -> 0 : w);
            if
            :: goto publish
#if SKIPS
            :: skips < SKIPS -> skips++; goto skip_it
#endif
#if DROPS
            :: drops < DROPS && ATTEMPTS(w) + 1 < MAX_ATTEMPTS -> drops++; goto drop
            :: drops < DROPS && ATTEMPTS(w) + 1 == MAX_ATTEMPTS -> drops++; goto skip_it
#endif
            fi
        }

publish:  // Protocol::publish()
        atomic {
            if
            :: word[SLOT(at)] == w -> check_swap(); word[SLOT(at)] = WITH(w, READY);
                waking = waking | ME; w = 0; goto settled
            :: else -> assert(revoked); w = 0; at = 0; goto next
            fi
        }
#if SKIPS || DROPS
skip_it:  // Protocol::skip()
        atomic {
            if
            :: word[SLOT(at)] == w -> check_swap(); word[SLOT(at)] = WITH(w, HOLE);
                waking = waking | ME; w = 0; goto settled
            :: else -> assert(revoked); w = 0; at = 0; goto next
            fi
        }
#endif
#if DROPS
drop:  // Protocol::give_back(), but for the last attempt, which is skipped
#ifndef MUTANT_BIT_AFTER_WORD
        returned = returned | BIT(SLOT(at));
#endif
        atomic {
            if
            :: word[SLOT(at)] == w -> check_swap();
                RULE(returned & BIT(SLOT(at)));
                word[SLOT(at)] = WORD(at, FREE, 0, 0, ATTEMPTS(w) + 1);
                waking = waking | ME; w = 0
            :: else -> assert(revoked); w = 0; at = 0; goto next
            fi
        }
#ifdef MUTANT_BIT_AFTER_WORD
        returned = returned | BIT(SLOT(at));
#endif
        bump_returns();
        wake_producers();
        goto next;
#endif

settled:
        after_settling(at);
next:
#ifdef STREAM
        written++;
        if
        :: written == QUOTA -> written = 0; goto leave
        :: else -> goto claim
        fi;
#else
        goto claim;
#endif
    } unless { die() };

#if REPLACED
    // Another one attaches and is given the same id, once the service has seen the dead one off.
    atomic {
        seen_off & ME ->
        seen_off = seen_off & NOT_ME; dead = dead & NOT_ME;
        incarnation[_pid] = incarnation[_pid] + 1;
        news = news | ME;
        goto born
    }
#endif
    goto gone;
leave:
    atomic { finished = finished | ME; space_quiet = space_quiet & NOT_ME; news = news & NOT_ME;
        w = 0; at = 0; below = 0; announced = false }
gone:
    skip
}
