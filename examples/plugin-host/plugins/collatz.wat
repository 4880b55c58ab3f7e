;; run(n): the most steps that any number up to n takes to come down to 1
(module
  (import "host" "log" (func $log (param i32)))
  (func $steps (param $n i64) (result i32)
    (local $count i32)
    (block $done
      (loop $next
        (br_if $done (i64.le_u (local.get $n) (i64.const 1)))
        (local.set $n
          (if (result i64) (i64.eqz (i64.and (local.get $n) (i64.const 1)))
            (then (i64.shr_u (local.get $n) (i64.const 1)))
            (else (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1)))))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br $next)))
    (local.get $count))
  (func (export "run") (param $n i32) (result i32)
    (local $most i32) (local $each i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $each (call $steps (i64.extend_i32_u (local.get $n))))
        (if (i32.gt_u (local.get $each) (local.get $most))
          (then (local.set $most (local.get $each))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (call $log (local.get $most))
    (local.get $most)))
