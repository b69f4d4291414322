; Handing a loop to other threads through words in memory.
;
; All threads of a process look at one board of 64-bit words, `crew.py` has their places. A caller that has a job takes a
; slot of the board, opens it for so many helpers and rings the bell, which is a count. Whoever watches joins as long as
; there are places, and takes parts of the job until none is left; so does the caller. Then the caller closes the slot
; and waits for those who joined. So a job lives on the stack of its caller, and nobody waits for those of another one.
;
; A worker that has nothing to do watches the board for a while and then sleeps, on a lock of Python's that it holds
; already. Who wakes it releases that lock. Nobody here needs the interpreter's lock.
;
; Parts are numbered tickets. The caller does them from the first one up and helpers from the last one down, so that in
; the next loop over the same memory each has in its cache what it works on.
;
; Watching must not take a core from somebody who has work. A worker that finds itself on the core of the caller, where
; the system often wakes it, goes to another one; left alone, it would only get there by chance. A thread that sees the
; clock jump while it looks was not running: there are more threads than cores, and for a while nobody watches. So it is
; where a worker cannot leave the caller's core, or watching was in vain several times in a row. The while doubles as
; long as that goes on.
;
; A slot: whether it is taken, the job, and its state: open places in the upper half, helpers in the lower one.
; A bed of a worker: whether it is taken, whether the worker sleeps, and its lock.
; A job: the loop, its block, its first chunk, how many chunks, how many parts; on lines of their own the tickets that
; were taken and the parts that helpers have begun.

declare i32 @clock_gettime(i32, ptr)
declare i32 @usleep(i32)
declare ptr @PyThread_allocate_lock()
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
$pause_declaration

; Nanoseconds on a clock that nobody sets.
define internal i64 @.now() {
  %time = alloca [2 x i64]
  %failed = call i32 @clock_gettime(i32 $clock, ptr %time)
  %seconds = load i64, ptr %time
  %rest.at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}

; Look at a word about a microsecond long, or until it changes.
define internal void @.look(ptr %word, i64 %old) {
start:
  br label %loop
loop:
  %k = phi i64 [0, %start], [%k1, %again]
  %v = load atomic i64, ptr %word acquire, align 8
  %same = icmp eq i64 %v, %old
  %early = icmp slt i64 %k, $looks
  %go.on = and i1 %same, %early
  br i1 %go.on, label %again, label %done
again:
  $pause
  %k1 = add i64 %k, 1
  br label %loop
done:
  ret void
}

; Whether nobody should watch at this time.
define internal i1 @.is_calm(ptr %board, i64 %now) {
  %until.at = getelementptr i64, ptr %board, i64 $calm_until
  %until = load atomic i64, ptr %until.at monotonic, align 8
  %calm = icmp slt i64 %now, %until
  ret i1 %calm
}

; It does not pay to watch: let nobody do so for a while, twice as long as last time if that was not long ago.
define internal void @.calm(ptr %board, i64 %now) {
start:
  %is.calm = call i1 @.is_calm(ptr %board, i64 %now)
  br i1 %is.calm, label %done, label %begin
begin:
  %until.at = getelementptr i64, ptr %board, i64 $calm_until
  %until = load atomic i64, ptr %until.at monotonic, align 8
  %length.at = getelementptr i64, ptr %board, i64 $calm_for
  %length = load atomic i64, ptr %length.at monotonic, align 8
  %since = sub i64 %now, %until
  %long = mul i64 %length, $memory
  %again = icmp slt i64 %since, %long
  %twice = mul i64 %length, 2
  %next = select i1 %again, i64 %twice, i64 $least_calm
  %too.long = icmp sgt i64 %next, $most_calm
  %length1 = select i1 %too.long, i64 $most_calm, i64 %next
  %until1 = add i64 %now, %length1
  store atomic i64 %length1, ptr %length.at monotonic, align 8
  store atomic i64 %until1, ptr %until.at monotonic, align 8
  br label %done
done:
  ret void
}

; Whether a ticket was left.
define internal i1 @.take(ptr %job) {
  %tickets = getelementptr i64, ptr %job, i64 16
  %ticket = atomicrmw add ptr %tickets, i64 1 monotonic
  %parts.at = getelementptr i64, ptr %job, i64 4
  %parts = load i64, ptr %parts.at
  %left = icmp ult i64 %ticket, %parts
  ret i1 %left
}

; Where a part of a job begins.
define internal i64 @.begin(ptr %job, i64 %part) {
  %first.at = getelementptr i64, ptr %job, i64 2
  %first = load i64, ptr %first.at
  %chunks.at = getelementptr i64, ptr %job, i64 3
  %chunks = load i64, ptr %chunks.at
  %parts.at = getelementptr i64, ptr %job, i64 4
  %parts = load i64, ptr %parts.at
  %product = mul i64 %chunks, %part
  %before = udiv i64 %product, %parts
  %begin = add i64 %first, %before
  ret i64 %begin
}

define internal void @.part(ptr %job, i64 %part) {
  %loop = load ptr, ptr %job
  %block.at = getelementptr i64, ptr %job, i64 1
  %block = load ptr, ptr %block.at
  %next = add i64 %part, 1
  %lo = call i64 @.begin(ptr %job, i64 %part)
  %hi = call i64 @.begin(ptr %job, i64 %next)
  call void %loop(ptr %block, i64 %lo, i64 %hi)
  ret void
}

; Help with the job in a slot if it has places. Gives 1 if there was one.
define internal i64 @.join(ptr %slot) {
start:
  %state.at = getelementptr i64, ptr %slot, i64 2
  br label %try
try:
  %state = load atomic i64, ptr %state.at acquire, align 8
  %open = icmp ugt i64 %state, 4294967295
  br i1 %open, label %enter, label %no
enter:
  %joined = sub i64 %state, 4294967295
  %pair = cmpxchg ptr %state.at, i64 %state, i64 %joined acq_rel acquire
  %entered = extractvalue {i64, i1} %pair, 1
  br i1 %entered, label %read, label %try
read:
  %job.at = getelementptr i64, ptr %slot, i64 1
  %job = load ptr, ptr %job.at
  %helped = getelementptr i64, ptr %job, i64 32
  %parts.at = getelementptr i64, ptr %job, i64 4
  %parts = load i64, ptr %parts.at
  br label %loop
loop:
  %left = call i1 @.take(ptr %job)
  br i1 %left, label %work, label %leave
work:
  %k = atomicrmw add ptr %helped, i64 1 monotonic
  %from.end = sub i64 %parts, %k
  %part = sub i64 %from.end, 1
  call void @.part(ptr %job, i64 %part)
  br label %loop
leave:
  %before = atomicrmw sub ptr %state.at, i64 1 release
  ret i64 1
no:
  ret i64 0
}

; Help with whatever is on the board. Gives how many jobs that was.
define internal i64 @.join_all(ptr %board) {
start:
  %slots = getelementptr i64, ptr %board, i64 $slots
  br label %loop
loop:
  %s = phi i64 [0, %start], [%s1, %look]
  %sum = phi i64 [0, %start], [%sum1, %look]
  %more = icmp slt i64 %s, $most_slots
  br i1 %more, label %look, label %done
look:
  %at = mul i64 %s, 16
  %slot = getelementptr i64, ptr %slots, i64 %at
  %one = call i64 @.join(ptr %slot)
  %sum1 = add i64 %sum, %one
  %s1 = add i64 %s, 1
  br label %loop
done:
  ret i64 %sum
}

; Whether so many more threads may watch at this time: no more threads than cores, and none while it is to be calm.
define internal i1 @.may_watch(ptr %board, i64 %more, i64 %now) {
  %watching.at = getelementptr i64, ptr %board, i64 $watching
  %watching = load atomic i64, ptr %watching.at monotonic, align 8
  %leading.at = getelementptr i64, ptr %board, i64 $leading
  %leading = load atomic i64, ptr %leading.at monotonic, align 8
  %here = add i64 %watching, %leading
  %threads = add i64 %here, %more
  %cores.at = getelementptr i64, ptr %board, i64 $cores
  %cores = load atomic i64, ptr %cores.at monotonic, align 8
  %room = icmp sle i64 %threads, %cores
  %calm = call i1 @.is_calm(ptr %board, i64 %now)
  %not.calm = xor i1 %calm, true
  %both = and i1 %room, %not.calm
  ret i1 %both
}

; Call all workers back to Python.
define void @.recall(ptr %board) {
  %recall.at = getelementptr i64, ptr %board, i64 $recall
  %recall = atomicrmw add ptr %recall.at, i64 1 seq_cst
  call void @.wake(ptr %board, i64 $most_beds)
  ret void
}

; Wake so many workers, or as many as sleep.
define internal void @.wake(ptr %board, i64 %n) {
start:
  %asleep.at = getelementptr i64, ptr %board, i64 $asleep
  %beds = getelementptr i64, ptr %board, i64 $beds
  br label %loop
loop:
  %k = phi i64 [0, %start], [%k1, %no], [%k1, %yes]
  %left = phi i64 [%n, %start], [%left, %no], [%left1, %yes]
  %asleep = load atomic i64, ptr %asleep.at seq_cst, align 8
  %some = icmp sgt i64 %asleep, 0
  %wanted = icmp sgt i64 %left, 0
  %there = icmp slt i64 %k, $most_beds
  %both = and i1 %some, %wanted
  %all = and i1 %both, %there
  br i1 %all, label %look, label %done
look:
  %k1 = add i64 %k, 1
  %place = mul i64 %k, 16
  %bed = getelementptr i64, ptr %beds, i64 %place
  %sleeps.at = getelementptr i64, ptr %bed, i64 1
  %sleeps = load atomic i64, ptr %sleeps.at seq_cst, align 8
  %is.asleep = icmp ne i64 %sleeps, 0
  br i1 %is.asleep, label %try, label %no
try:
  %got.up = call i1 @.get_up(ptr %board, ptr %bed)
  br i1 %got.up, label %yes, label %no
yes:
  %left1 = sub i64 %left, 1
  %lock.at = getelementptr i64, ptr %bed, i64 2
  %lock = load ptr, ptr %lock.at
  call void @PyThread_release_lock(ptr %lock)
  br label %loop
no:
  br label %loop
done:
  ret void
}

; Whether it was this thread that changed a worker from one that sleeps to one that does not.
define internal i1 @.get_up(ptr %board, ptr %bed) {
start:
  %sleeps.at = getelementptr i64, ptr %bed, i64 1
  %pair = cmpxchg ptr %sleeps.at, i64 1, i64 0 seq_cst seq_cst
  %mine = extractvalue {i64, i1} %pair, 1
  br i1 %mine, label %count, label %done
count:
  %asleep.at = getelementptr i64, ptr %board, i64 $asleep
  %asleep = atomicrmw sub ptr %asleep.at, i64 1 seq_cst
  br label %done
done:
  ret i1 %mine
}

; Sleep until somebody wakes this worker. Not if the bell has rung, or workers were called back, since these were read:
; whoever did that may have looked for sleepers before this one was.
define internal void @.sleep(ptr %board, ptr %bed, i64 %bell, i64 %recall) {
start:
  %asleep.at = getelementptr i64, ptr %board, i64 $asleep
  %asleep = atomicrmw add ptr %asleep.at, i64 1 seq_cst
  %sleeps.at = getelementptr i64, ptr %bed, i64 1
  store atomic i64 1, ptr %sleeps.at seq_cst, align 8
  %bell1 = load atomic i64, ptr %board seq_cst, align 8
  %recall.at = getelementptr i64, ptr %board, i64 $recall
  %recall1 = load atomic i64, ptr %recall.at seq_cst, align 8
  %same.bell = icmp eq i64 %bell, %bell1
  %same.recall = icmp eq i64 %recall, %recall1
  %same = and i1 %same.bell, %same.recall
  br i1 %same, label %wait, label %hurry
hurry:
  %mine = call i1 @.get_up(ptr %board, ptr %bed)
  br i1 %mine, label %done, label %wait
wait:
  %lock.at = getelementptr i64, ptr %bed, i64 2
  %lock = load ptr, ptr %lock.at
  %acquired = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %done
done:
  ret void
}

; A bed of one's own, with a lock that is held; or null where all are taken.
define internal ptr @.find_bed(ptr %board) {
start:
  %beds = getelementptr i64, ptr %board, i64 $beds
  br label %loop
loop:
  %k = phi i64 [0, %start], [%k1, %taken]
  %more = icmp slt i64 %k, $most_beds
  br i1 %more, label %look, label %none
look:
  %place = mul i64 %k, 16
  %bed = getelementptr i64, ptr %beds, i64 %place
  %pair = cmpxchg ptr %bed, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {i64, i1} %pair, 1
  br i1 %mine, label %own, label %taken
taken:
  %k1 = add i64 %k, 1
  br label %loop
own:
  %lock.at = getelementptr i64, ptr %bed, i64 2
  %lock = load ptr, ptr %lock.at
  %old = icmp ne ptr %lock, null
  br i1 %old, label %done, label %make
make:
  %made = call ptr @PyThread_allocate_lock()
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %give.back, label %hold
hold:
  %held = call i32 @PyThread_acquire_lock(ptr %made, i32 0)
  store ptr %made, ptr %lock.at
  br label %done
done:
  ret ptr %bed
give.back:
  store atomic i64 0, ptr %bed release, align 8
  br label %none
none:
  ret ptr null
}

; Help with what is on the board and watch for more, until nothing has come for a while, or nobody may watch. Gives the
; bell as it was when there was nothing to do.
define internal i64 @.watch(ptr %board) {
start:
  %vain.at = getelementptr i64, ptr %board, i64 $vain
  %watching.at = getelementptr i64, ptr %board, i64 $watching
  %helped = call i64 @.join_all(ptr %board)
  %watching0 = atomicrmw add ptr %watching.at, i64 1 monotonic
  %start0 = call i64 @.now()
  br label %loop
loop:
  %since = phi i64 [%start0, %start], [%since1, %again]
  %last = phi i64 [%start0, %start], [%seen, %again]
  %bell = load atomic i64, ptr %board seq_cst, align 8
  %jobs = call i64 @.join_all(ptr %board)
  %now = call i64 @.now()
  %idle = icmp eq i64 %jobs, 0
  %since1 = select i1 %idle, i64 %since, i64 %now
  br i1 %idle, label %doubt, label %success
success:
  store atomic i64 0, ptr %vain.at monotonic, align 8
  br label %again
doubt:
  %gap = sub i64 %now, %last
  %jumped = icmp sgt i64 %gap, $jump
  br i1 %jumped, label %strain, label %place
place:
  %core.at = getelementptr i64, ptr %board, i64 $core
  %core = load atomic i64, ptr %core.at monotonic, align 8
  %here = call i64 @.here()
  %known = icmp sge i64 %here, 0
  %same.core = icmp eq i64 %core, %here
  %in.the.way = and i1 %known, %same.core
  br i1 %in.the.way, label %move, label %stay
move:
  %moved = call i1 @.leave_core(i64 %here)
  %arrived = call i64 @.now()
  br i1 %moved, label %again, label %strain
stay:
  %may = call i1 @.may_watch(ptr %board, i64 0, i64 %now)
  br i1 %may, label %patience, label %leave
patience:
  %waited = sub i64 %now, %since1
  %late = icmp sgt i64 %waited, $watch
  br i1 %late, label %in.vain, label %look
look:
  call void @.look(ptr %board, i64 %bell)
  br label %again
again:
  %seen = phi i64 [%now, %success], [%arrived, %move], [%now, %look]
  br label %loop
in.vain:
  %vain = atomicrmw add ptr %vain.at, i64 1 monotonic
  %too.often = icmp sge i64 %vain, $most_vain
  br i1 %too.often, label %give.up, label %leave
give.up:
  store atomic i64 0, ptr %vain.at monotonic, align 8
  br label %strain
strain:
  call void @.calm(ptr %board, i64 %now)
  br label %leave
leave:
  %watching1 = atomicrmw sub ptr %watching.at, i64 1 monotonic
  ret i64 %bell
}

; What a worker does until workers are called back.
define void @.serve(ptr %board) {
start:
  %bed = call ptr @.find_bed(ptr %board)
  %none = icmp eq ptr %bed, null
  br i1 %none, label %done, label %begin
begin:
  %recall.at = getelementptr i64, ptr %board, i64 $recall
  %recall = load atomic i64, ptr %recall.at seq_cst, align 8
  %crew.at = getelementptr i64, ptr %board, i64 $crew
  %crew0 = atomicrmw add ptr %crew.at, i64 1 monotonic
  br label %loop
loop:
  %bell = call i64 @.watch(ptr %board)
  call void @.sleep(ptr %board, ptr %bed, i64 %bell, i64 %recall)
  %now = load atomic i64, ptr %recall.at seq_cst, align 8
  %stay = icmp eq i64 %now, %recall
  br i1 %stay, label %loop, label %leave
leave:
  %crew1 = atomicrmw sub ptr %crew.at, i64 1 monotonic
  store atomic i64 0, ptr %bed release, align 8
  br label %done
done:
  ret void
}

; Put a job on the board. Gives its slot, or null where all are taken.
define internal ptr @.open(ptr %board, ptr %job, i64 %helpers) {
start:
  %slots = getelementptr i64, ptr %board, i64 $slots
  br label %loop
loop:
  %s = phi i64 [0, %start], [%s1, %taken]
  %more = icmp slt i64 %s, $most_slots
  br i1 %more, label %look, label %none
look:
  %at = mul i64 %s, 16
  %slot = getelementptr i64, ptr %slots, i64 %at
  %pair = cmpxchg ptr %slot, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {i64, i1} %pair, 1
  br i1 %mine, label %own, label %taken
taken:
  %s1 = add i64 %s, 1
  br label %loop
own:
  %job.at = getelementptr i64, ptr %slot, i64 1
  store ptr %job, ptr %job.at
  %state.at = getelementptr i64, ptr %slot, i64 2
  %places = shl i64 %helpers, 32
  store atomic i64 %places, ptr %state.at release, align 8
  %rung = atomicrmw add ptr %board, i64 1 seq_cst
  ret ptr %slot
none:
  ret ptr null
}

; Let nobody else join, and wait for those who did. Who waits longer than that should take, waits asleep: a helper that
; has no core gets this one.
define internal void @.close(ptr %board, ptr %slot, i64 %patience) {
start:
  %state.at = getelementptr i64, ptr %slot, i64 2
  %open = atomicrmw and ptr %state.at, i64 4294967295 acq_rel
  br label %wait
wait:
  %begun = phi i64 [0, %start], [%begun1, %look], [%begun1, %sleep]
  %helpers = load atomic i64, ptr %state.at acquire, align 8
  %alone = icmp eq i64 %helpers, 0
  br i1 %alone, label %free, label %ask
ask:
  %now = call i64 @.now()
  %first = icmp eq i64 %begun, 0
  %begun1 = select i1 %first, i64 %now, i64 %begun
  %waited = sub i64 %now, %begun1
  %late = icmp sgt i64 %waited, %patience
  br i1 %late, label %sleep, label %look
look:
  call void @.look(ptr %state.at, i64 %helpers)
  br label %wait
sleep:
  call void @.calm(ptr %board, i64 %now)
  %interrupted = call i32 @usleep(i32 50)
  br label %wait
free:
  store atomic i64 0, ptr %slot release, align 8
  ret void
}

; Do parts from the first one up, until no ticket is left, or until that time if this is not 0: then nobody gets any
; more. Gives how many.
define internal i64 @.own_parts(ptr %job, i64 %until) {
start:
  br label %loop
loop:
  %k = phi i64 [0, %start], [%k1, %work], [%k1, %look]
  %left = call i1 @.take(ptr %job)
  br i1 %left, label %work, label %done
work:
  call void @.part(ptr %job, i64 %k)
  %k1 = add i64 %k, 1
  %forever = icmp eq i64 %until, 0
  br i1 %forever, label %loop, label %look
look:
  %now = call i64 @.now()
  %early = icmp slt i64 %now, %until
  br i1 %early, label %loop, label %stop
stop:
  %tickets = getelementptr i64, ptr %job, i64 16
  store atomic i64 4611686018427387904, ptr %tickets monotonic, align 8
  br label %done
done:
  %own = phi i64 [%k, %loop], [%k1, %stop]
  ret i64 %own
}

; Run a loop over a range of chunks with so many helpers at most, until it is done, or until that time if this is not 0.
; It wakes those who sleep if they are worth it. No part takes much more than a millisecond of the time that is expected
; for all. The range becomes what is left.
define internal void @.share(
    ptr %board, ptr %loop, ptr %block, ptr %range, i64 %helpers, i64 %time, i1 %worth, i64 %until
) {
start:
  %job = alloca [48 x i64], align 128
  store ptr %loop, ptr %job
  %block.at = getelementptr i64, ptr %job, i64 1
  store ptr %block, ptr %block.at
  %first = load i64, ptr %range
  %first.at = getelementptr i64, ptr %job, i64 2
  store i64 %first, ptr %first.at
  %end = getelementptr i64, ptr %range, i64 1
  %last = load i64, ptr %end
  %chunks = sub i64 %last, %first
  %chunks.at = getelementptr i64, ptr %job, i64 3
  store i64 %chunks, ptr %chunks.at
  %threads = add i64 %helpers, 1
  %several = mul i64 %threads, $parts
  %milliseconds = sdiv i64 %time, 1000
  %wanted = call i64 @llvm.smax.i64(i64 %several, i64 %milliseconds)
  %few = icmp slt i64 %chunks, %wanted
  %parts = select i1 %few, i64 %chunks, i64 %wanted
  %parts.at = getelementptr i64, ptr %job, i64 4
  store i64 %parts, ptr %parts.at
  %tickets = getelementptr i64, ptr %job, i64 16
  store atomic i64 0, ptr %tickets monotonic, align 8
  %helped.at = getelementptr i64, ptr %job, i64 32
  store atomic i64 0, ptr %helped.at monotonic, align 8
  %alone = icmp eq i64 %helpers, 0
  br i1 %alone, label %work, label %put
put:
  %opened = call ptr @.open(ptr %board, ptr %job, i64 %helpers)
  br i1 %worth, label %rouse, label %work
rouse:
  %watching.at = getelementptr i64, ptr %board, i64 $watching
  %watching = load atomic i64, ptr %watching.at monotonic, align 8
  %missing = sub i64 %helpers, %watching
  call void @.wake(ptr %board, i64 %missing)
  br label %work
work:
  %slot = phi ptr [null, %start], [%opened, %put], [%opened, %rouse]
  %t0 = call i64 @.now()
  %own = call i64 @.own_parts(ptr %job, i64 %until)
  %t1 = call i64 @.now()
  %no.slot = icmp eq ptr %slot, null
  br i1 %no.slot, label %done, label %take.back

; A helper's last part should not take longer than those that were done here.
take.back:
  %spent = sub i64 %t1, %t0
  %one = call i64 @llvm.smax.i64(i64 %own, i64 1)
  %mean = sdiv i64 %spent, %one
  %twice = mul i64 %mean, 2
  %patience = add i64 %twice, $patience
  call void @.close(ptr %board, ptr %slot, i64 %patience)
  br label %done
done:
  %helped = load atomic i64, ptr %helped.at monotonic, align 8
  %to = sub i64 %parts, %helped
  %lo = call i64 @.begin(ptr %job, i64 %own)
  %hi = call i64 @.begin(ptr %job, i64 %to)
  store i64 %lo, ptr %range
  store i64 %hi, ptr %end
  ret void
}
declare i64 @llvm.smax.i64(i64, i64)
