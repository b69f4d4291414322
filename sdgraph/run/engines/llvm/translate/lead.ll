; What Python calls for segments that are shared: `lead(program, board, state, *arrays)`, with the calling convention of
; builtin functions of CPython. All arguments are arrays; the program is laid out as `layout.ll` says.
;
; It gives $done when all is done, $failed if some count is not 0 then. A long call stops after a while and gives
; $go_on: Python then has a moment for signals, and calls again. $want_crew says that all is done, and that there should
; be workers.
;
; The state holds how far the call is: the region (-1 at first), its phase (0 before the first one), the chunks of the
; phase that are left. Behind these words is the scratch memory. A call that is not long may give the board in its place:
; then both are on the stack.

declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyLong_FromLong(i64)
declare i64 @llvm.smin.i64(i64, i64)

; Whether a region of so many microseconds is worth to wake somebody for: others may need the cores while it is calm.
define internal i1 @.is_worth(ptr %board, i64 %time) {
start:
  %long = icmp sge i64 %time, $woken
  br i1 %long, label %ask, label %no
ask:
  %now = call i64 @.now()
  %calm = call i1 @.is_calm(ptr %board, i64 %now)
  %very.long = icmp sge i64 %time, $woken_in_calm
  %not.calm = xor i1 %calm, true
  %worth = or i1 %very.long, %not.calm
  ret i1 %worth
no:
  ret i1 false
}

; Run a region from where the state says to its end, or until that time if this is not 0. Gives whether it is done.
define internal i1 @.lead_region(ptr %board, ptr %rest, ptr %block, ptr %state, i64 %limit, i64 %until) {
start:
  %chunks = load i64, ptr %rest
  %time.at = getelementptr i64, ptr %rest, i64 1
  %time = load i64, ptr %time.at
  %worth = call i1 @.is_worth(ptr %board, i64 %time)
  %phases.at = getelementptr i64, ptr %rest, i64 3
  %phases = load i64, ptr %phases.at
  %phase.at = getelementptr i64, ptr %state, i64 1
  %lo.at = getelementptr i64, ptr %state, i64 2
  %hi.at = getelementptr i64, ptr %state, i64 3
  %others = sub i64 %chunks, 1
  %helpers = call i64 @llvm.smin.i64(i64 %others, i64 %limit)
  %phase0 = load i64, ptr %phase.at
  %fresh = icmp eq i64 %phase0, 0
  br i1 %fresh, label %first, label %resume
first:
  %f0.at = getelementptr i64, ptr %rest, i64 2
  %f0 = load ptr, ptr %f0.at
  call void %f0(ptr %block)
  br label %next
resume:
  br label %phase

; Begin the phase after this one, if there is one.
next:
  %before = phi i64 [0, %first], [%p, %finish]
  %p1 = add i64 %before, 1
  store i64 %p1, ptr %phase.at
  store i64 0, ptr %lo.at
  store i64 %chunks, ptr %hi.at
  %more = icmp sle i64 %p1, %phases
  br i1 %more, label %phase, label %done
phase:
  %p = phi i64 [%phase0, %resume], [%p1, %next]
  %pair = mul i64 %p, 2
  %loop.place = add i64 %pair, 2
  %loop.at = getelementptr ptr, ptr %rest, i64 %loop.place
  %loop = load ptr, ptr %loop.at
  call void @.share(
    ptr %board, ptr %loop, ptr %block, ptr %lo.at, i64 %helpers, i64 %time, i1 %worth, i64 %until
  )
  %lo = load i64, ptr %lo.at
  %hi = load i64, ptr %hi.at
  %left = icmp slt i64 %lo, %hi
  br i1 %left, label %later, label %finish
finish:
  %finish.place = add i64 %pair, 3
  %finish.at = getelementptr ptr, ptr %rest, i64 %finish.place
  %f = load ptr, ptr %finish.at
  call void %f(ptr %block)
  br label %next
done:
  store i64 0, ptr %phase.at
  ret i1 true
later:
  ret i1 false
}

; Take note of a new call: calls that follow each other closely are those for which watching pays.
define internal void @.note_call(ptr %board, i64 %now) {
start:
  %core.at = getelementptr i64, ptr %board, i64 $core
  %core = call i64 @.here()
  store atomic i64 %core, ptr %core.at monotonic, align 8
  %ended.at = getelementptr i64, ptr %board, i64 $ended
  %ended = load atomic i64, ptr %ended.at monotonic, align 8
  %gap = sub i64 %now, %ended
  %near = icmp slt i64 %gap, $watch
  %row.at = getelementptr i64, ptr %board, i64 $row
  br i1 %near, label %close, label %far
close:
  %row = load atomic i64, ptr %row.at monotonic, align 8
  %row1 = add i64 %row, 1
  store atomic i64 %row1, ptr %row.at monotonic, align 8
  ret void
far:
  store atomic i64 0, ptr %row.at monotonic, align 8
  ret void
}

; How many threads may work on a region; 0 before anybody asked.
define internal i64 @.setting(ptr %board) {
  %setting.at = getelementptr i64, ptr %board, i64 $setting
  %setting = load ptr, ptr %setting.at
  %threads = load atomic i64, ptr %setting monotonic, align 8
  ret i64 %threads
}

; Take note of its end. If calls have followed each other for a while and nobody watches, somebody should. Gives whether
; there are too few workers for that.
define internal i1 @.note_end(ptr %board, i64 %now) {
start:
  %ended.at = getelementptr i64, ptr %board, i64 $ended
  store atomic i64 %now, ptr %ended.at monotonic, align 8
  %row.at = getelementptr i64, ptr %board, i64 $row
  %row = load atomic i64, ptr %row.at monotonic, align 8
  %often = icmp sge i64 %row, $least_row
  %watching.at = getelementptr i64, ptr %board, i64 $watching
  %watching = load atomic i64, ptr %watching.at monotonic, align 8
  %nobody = icmp eq i64 %watching, 0
  %both = and i1 %often, %nobody
  br i1 %both, label %ask, label %no
ask:
  %may = call i1 @.may_watch(ptr %board, i64 1, i64 %now)
  %threads = call i64 @.setting(ptr %board)
  %several = icmp ne i64 %threads, 1
  %free = and i1 %may, %several
  br i1 %free, label %rouse, label %no
rouse:
  store atomic i64 0, ptr %row.at monotonic, align 8
  %helpers = sub i64 %threads, 1
  call void @.wake(ptr %board, i64 %helpers)
  %crew.at = getelementptr i64, ptr %board, i64 $crew
  %crew = load atomic i64, ptr %crew.at monotonic, align 8
  %few = icmp eq i64 %crew, 0
  ret i1 %few
no:
  ret i1 false
}

; How many helpers a call may have: those that the setting allows; a short call only those that watch.
define internal i64 @.helpers(ptr %board, i1 %long) {
  %threads = call i64 @.setting(ptr %board)
  %others = sub i64 %threads, 1
  %watching.at = getelementptr i64, ptr %board, i64 $watching
  %watching = load atomic i64, ptr %watching.at monotonic, align 8
  %fewer = call i64 @llvm.smin.i64(i64 %others, i64 %watching)
  %some = select i1 %long, i64 %others, i64 %fewer
  %count = call i64 @llvm.smax.i64(i64 %some, i64 0)
  ret i64 %count
}

; Run all regions from where the state says, or until it is time to stop. Gives whether all is done.
define internal i1 @.lead_regions(ptr %program, ptr %board, ptr %state, ptr %table, ptr %block, i64 %until) {
start:
  %regions.at = getelementptr i64, ptr %program, i64 2
  %regions = load i64, ptr %regions.at
  %body = call ptr @.regions(ptr %program)
  %from = load i64, ptr %state
  %long = icmp ne i64 %until, 0
  %limit = call i64 @.helpers(ptr %board, i1 %long)
  br label %loop
loop:
  %r = phi i64 [0, %start], [%r1, %step]
  %region = phi ptr [%body, %start], [%next, %step]
  %more = icmp slt i64 %r, %regions
  br i1 %more, label %look, label %done
look:
  %over = icmp slt i64 %r, %from
  br i1 %over, label %step, label %fill
fill:
  store i64 %r, ptr %state
  %rest = call ptr @.fill_block(ptr %region, ptr %table, ptr %block)
  %chunks = load i64, ptr %rest
  %several = icmp sgt i64 %chunks, 1
  %some = icmp sgt i64 %limit, 0
  %worth = or i1 %long, %some
  %shared = and i1 %several, %worth
  br i1 %shared, label %lead, label %alone
alone:
  %run.at = getelementptr i64, ptr %region, i64 1
  %run = load ptr, ptr %run.at
  call void %run(ptr %block)
  br label %step

lead:
  %whole = call i1 @.lead_region(ptr %board, ptr %rest, ptr %block, ptr %state, i64 %limit, i64 %until)
  br i1 %whole, label %step, label %later
step:
  %r1 = add i64 %r, 1
  %words = load i64, ptr %region
  %next = getelementptr i64, ptr %region, i64 %words
  br label %loop
done:
  ret i1 true
later:
  ret i1 false
}

define ptr @.lead(ptr %self, ptr %args, i64 %nargs) {
start:
  %program.data = call i64 @.data(ptr %args, i64 0)
  %program = inttoptr i64 %program.data to ptr
  %board.data = call i64 @.data(ptr %args, i64 1)
  %board = inttoptr i64 %board.data to ptr
  %given = call i64 @.data(ptr %args, i64 2)
  %on.stack = icmp eq i64 %given, %board.data
  %bytes.at = getelementptr i64, ptr %program, i64 1
  %bytes = load i64, ptr %bytes.at
  %with.state = add i64 %bytes, 128
  %room = select i1 %on.stack, i64 %with.state, i64 8
  %stack = alloca i8, i64 %room, align 64
  %stack.data = ptrtoint ptr %stack to i64
  %state.data = select i1 %on.stack, i64 %stack.data, i64 %given
  %state = inttoptr i64 %state.data to ptr
  %objects = getelementptr ptr, ptr %args, i64 3
  %n = sub i64 %nargs, 3
  %scratches = load i64, ptr %program
  %places = add i64 %n, %scratches
  %table = alloca i64, i64 %places
  %most.at = getelementptr i64, ptr %program, i64 3
  %most = load i64, ptr %most.at
  %block = alloca i64, i64 %most
  %behind = add i64 %state.data, 95
  %base = and i64 %behind, -64
  call void @.fill_table(ptr %program, ptr %objects, i64 %n, i64 %base, ptr %table)
  %long.at = getelementptr i64, ptr %program, i64 5
  %long.word = load i64, ptr %long.at
  %long = icmp ne i64 %long.word, 0
  %leading.at = getelementptr i64, ptr %board, i64 $leading
  %leading0 = atomicrmw add ptr %leading.at, i64 1 monotonic
  %t0 = call i64 @.now()
  %region0 = load i64, ptr %state
  %unused = icmp slt i64 %region0, 0
  %new = or i1 %on.stack, %unused
  br i1 %new, label %begin, label %go
begin:
  store i64 0, ptr %state
  %phase.at = getelementptr i64, ptr %state, i64 1
  store i64 0, ptr %phase.at
  call void @.note_call(ptr %board, i64 %t0)
  br label %go
go:
  br i1 %long, label %unlocked, label %locked

; A long call gives up the interpreter's lock.
unlocked:
  ; One that may not be stopped halfway has a very long slice.
  %whole = icmp eq i64 %long.word, 2
  %slice = select i1 %whole, i64 4611686018427387904, i64 $slice
  %until = add i64 %t0, %slice
  %thread = call ptr @PyEval_SaveThread()
  %done1 = call i1 @.lead_regions(ptr %program, ptr %board, ptr %state, ptr %table, ptr %block, i64 %until)
  br label %end
locked:
  %done2 = call i1 @.lead_regions(ptr %program, ptr %board, ptr %state, ptr %table, ptr %block, i64 0)
  br label %end
end:
  %done = phi i1 [%done1, %unlocked], [%done2, %locked]
  %thread.kept = phi ptr [%thread, %unlocked], [null, %locked]
  %t1 = call i64 @.now()
  %want = call i1 @.note_end(ptr %board, i64 %t1)
  %leading1 = atomicrmw sub ptr %leading.at, i64 1 monotonic
  %kind = select i1 %want, i64 $want_crew, i64 $done
  %some.failed = call i1 @.failed(ptr %program, ptr %table)
  %ended = select i1 %some.failed, i64 $failed, i64 %kind
  %status = select i1 %done, i64 %ended, i64 $go_on
  br i1 %long, label %lock, label %return
lock:
  call void @PyEval_RestoreThread(ptr %thread.kept)
  br label %return
return:
  %result = call ptr @PyLong_FromLong(i64 %status)
  ret ptr %result
}

; For phases that have nothing to finish.
define void @.nothing(ptr %block) {
  ret void
}
