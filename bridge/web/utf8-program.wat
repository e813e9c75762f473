;; UTF-8 for texts that are long, with WebAssembly's own string functions: utf8-program.guest.ts holds what
;;   wasm-as --enable-gc --enable-reference-types utf8-program.wat     (of Binaryen)
;; makes of it, in Base64. A page of memory is what bytes go through, 64 KB at a time; code units go through $buffer.
(module
  (type $units (array (mut i16)))
  (type $from (func (param (ref null $units)) (param i32) (param i32) (result (ref extern))))
  (type $into (func (param externref) (param (ref null $units)) (param i32) (result i32)))
  (import "wasm:js-string" "fromCharCodeArray" (func $from (type $from)))
  (import "wasm:js-string" "intoCharCodeArray" (func $into (type $into)))
  (memory (export "memory") 1)
  (global $buffer (ref $units) (array.new_default $units (i32.const 65536)))
  (global $read (mut i32) (i32.const 0))

  ;; How many code units memory[0..$count] begins with, up to what is malformed or cut off; they are in $buffer then.
  (func (export "decode") (param $count i32) (result i32)
    (local $buffer (ref null $units)) (local $at i32) (local $out i32) (local $byte i32) (local $next i32) (local $code i32) (local $eight i64)
    (local.set $buffer (global.get $buffer))
    (block $done
      (loop $again
        (block $slow
          (loop $fast
            (br_if $slow (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $count)))
            (local.set $eight (i64.load align=1 (local.get $at)))
            (br_if $slow (i64.ne (i64.and (local.get $eight) (i64.const 0x8080808080808080)) (i64.const 0)))
            (array.set $units (local.get $buffer) (local.get $out) (i32.and (i32.wrap_i64 (local.get $eight)) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 1)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 8))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 2)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 16))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 3)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 24))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 4)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 32))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 5)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 40))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 6)) (i32.and (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 48))) (i32.const 127)))
            (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 7)) (i32.wrap_i64 (i64.shr_u (local.get $eight) (i64.const 56))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (local.set $out (i32.add (local.get $out) (i32.const 8)))
            (br $fast)))
        (br_if $done (i32.ge_u (local.get $at) (local.get $count)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (local.get $byte) (i32.const 0x80))
          (then
            (array.set $units (local.get $buffer) (local.get $out) (local.get $byte))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (br $again)))
        (br_if $done (i32.lt_u (local.get $byte) (i32.const 0xc2)))
        (br_if $done (i32.ge_u (i32.add (local.get $at) (i32.const 1)) (local.get $count)))
        (local.set $next (i32.load8_u offset=1 (local.get $at)))
        (br_if $done (i32.ne (i32.and (local.get $next) (i32.const 0xc0)) (i32.const 0x80)))
        (local.set $code (i32.and (local.get $next) (i32.const 63)))
        (if (i32.lt_u (local.get $byte) (i32.const 0xe0))
          (then
            (array.set $units (local.get $buffer) (local.get $out) (i32.or (i32.shl (i32.and (local.get $byte) (i32.const 31)) (i32.const 6)) (local.get $code)))
            (local.set $at (i32.add (local.get $at) (i32.const 2)))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (br $again)))
        (br_if $done (i32.ge_u (i32.add (local.get $at) (i32.const 2)) (local.get $count)))
        (local.set $next (i32.load8_u offset=2 (local.get $at)))
        (br_if $done (i32.ne (i32.and (local.get $next) (i32.const 0xc0)) (i32.const 0x80)))
        (local.set $code (i32.or (i32.shl (local.get $code) (i32.const 6)) (i32.and (local.get $next) (i32.const 63))))
        (if (i32.lt_u (local.get $byte) (i32.const 0xf0))
          (then
            (local.set $code (i32.or (i32.shl (i32.and (local.get $byte) (i32.const 15)) (i32.const 12)) (local.get $code)))
            (br_if $done (i32.lt_u (local.get $code) (i32.const 0x800)))
            (br_if $done (i32.eq (i32.and (local.get $code) (i32.const 0xf800)) (i32.const 0xd800)))
            (array.set $units (local.get $buffer) (local.get $out) (local.get $code))
            (local.set $at (i32.add (local.get $at) (i32.const 3)))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (br $again)))
        (br_if $done (i32.ge_u (local.get $byte) (i32.const 0xf5)))
        (br_if $done (i32.ge_u (i32.add (local.get $at) (i32.const 3)) (local.get $count)))
        (local.set $next (i32.load8_u offset=3 (local.get $at)))
        (br_if $done (i32.ne (i32.and (local.get $next) (i32.const 0xc0)) (i32.const 0x80)))
        ;; Less 0x10000, so that what is below it wraps around.
        (local.set $code (i32.sub
          (i32.or
            (i32.shl (i32.and (local.get $byte) (i32.const 7)) (i32.const 18))
            (i32.or (i32.shl (local.get $code) (i32.const 6)) (i32.and (local.get $next) (i32.const 63))))
          (i32.const 0x10000)))
        (br_if $done (i32.ge_u (local.get $code) (i32.const 0x100000)))
        (array.set $units (local.get $buffer) (local.get $out) (i32.or (i32.const 0xd800) (i32.shr_u (local.get $code) (i32.const 10))))
        (array.set $units (local.get $buffer) (i32.add (local.get $out) (i32.const 1)) (i32.or (i32.const 0xdc00) (i32.and (local.get $code) (i32.const 0x3ff))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $out (i32.add (local.get $out) (i32.const 2)))
        (br $again)))
    (global.set $read (local.get $at))
    (local.get $out))

  ;; How many bytes the last call of decode has read.
  (func (export "read") (result i32) (global.get $read))

  ;; The first $count units of $buffer.
  (func (export "text") (param $count i32) (result (ref extern))
    (call $from (global.get $buffer) (i32.const 0) (local.get $count)))

  ;; Writes a string of at most 21,845 units to the memory: how many bytes.
  (func (export "encode") (param $text externref) (result i32)
    (local $buffer (ref null $units)) (local $count i32) (local $at i32) (local $out i32) (local $code i32) (local $low i32)
    (local.set $buffer (global.get $buffer))
    (local.set $count (call $into (local.get $text) (local.get $buffer) (i32.const 0)))
    (block $done
      (loop $again
        (br_if $done (i32.ge_u (local.get $at) (local.get $count)))
        (local.set $code (array.get_u $units (local.get $buffer) (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (if (i32.lt_u (local.get $code) (i32.const 0x80))
          (then
            (i32.store8 (local.get $out) (local.get $code))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (br $again)))
        (if (i32.lt_u (local.get $code) (i32.const 0x800))
          (then
            (i32.store8 (local.get $out) (i32.or (i32.const 0xc0) (i32.shr_u (local.get $code) (i32.const 6))))
            (i32.store8 offset=1 (local.get $out) (i32.or (i32.const 0x80) (i32.and (local.get $code) (i32.const 63))))
            (local.set $out (i32.add (local.get $out) (i32.const 2)))
            (br $again)))
        (if (i32.eq (i32.and (local.get $code) (i32.const 0xf800)) (i32.const 0xd800))
          (then
            (local.set $low (i32.const 0))
            (if (i32.and (i32.lt_u (local.get $code) (i32.const 0xdc00)) (i32.lt_u (local.get $at) (local.get $count)))
              (then (local.set $low (array.get_u $units (local.get $buffer) (local.get $at)))))
            (if (i32.eq (i32.and (local.get $low) (i32.const 0xfc00)) (i32.const 0xdc00))
              (then
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $code (i32.add (i32.const 0x10000) (i32.or (i32.shl (i32.and (local.get $code) (i32.const 0x3ff)) (i32.const 10)) (i32.and (local.get $low) (i32.const 0x3ff)))))
                (i32.store8 (local.get $out) (i32.or (i32.const 0xf0) (i32.shr_u (local.get $code) (i32.const 18))))
                (i32.store8 offset=1 (local.get $out) (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $code) (i32.const 12)) (i32.const 63))))
                (i32.store8 offset=2 (local.get $out) (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $code) (i32.const 6)) (i32.const 63))))
                (i32.store8 offset=3 (local.get $out) (i32.or (i32.const 0x80) (i32.and (local.get $code) (i32.const 63))))
                (local.set $out (i32.add (local.get $out) (i32.const 4)))
                (br $again)))
            (local.set $code (i32.const 0xfffd))))
        (i32.store8 (local.get $out) (i32.or (i32.const 0xe0) (i32.shr_u (local.get $code) (i32.const 12))))
        (i32.store8 offset=1 (local.get $out) (i32.or (i32.const 0x80) (i32.and (i32.shr_u (local.get $code) (i32.const 6)) (i32.const 63))))
        (i32.store8 offset=2 (local.get $out) (i32.or (i32.const 0x80) (i32.and (local.get $code) (i32.const 63))))
        (local.set $out (i32.add (local.get $out) (i32.const 3)))
        (br $again)))
    (local.get $out))
)
