"""The languages of code that highlighters know. A generator shows a fence in one of them as code.

These are the names, aliases and file suffixes that at least two of Pygments 2.19, Linguist 9.5,
Prism 1.30 and highlight.js 11.12 have, without those of diagrams, maps and mixes (`css+django`). A
language that is missing here costs a line of `mirror leftovers`, and only where code in it has an
address of a source.
"""

from __future__ import annotations

LANGUAGES = frozenset(
    (
        b"abap abl abnf aconf actionscript actionscript3 ada ada2005 ada95 ado adoc agda ahk al "
        b"alloy ampl angelscript antlr apache apacheconf apex apl applescript arduino arexx armasm "
        b"art arturo as as3 asc asciidoc asm asn1 aspectj aspx-vb atom augeas autohotkey autoit "
        b"avdl avro-idl awk b3d bash basic bat batch bazel bbcode be befunge berry bf bib bibtex "
        b"bicep bison blitzbasic blitzmax blueprint bmax bnf boo boogie bplus bqn brainfuck "
        b"brightscript bro bsdmake bsl bst c c# c++ c-objdump capnp carbon cc ceylon cfc cfg cfm "
        b"chaiscript chapel chpl cil cirru cjs cl clean clipper clj cljs clojure cmake cmd cobol "
        b"codeql coffee coffee-script coffeescript common-lisp console coq cp cpp cpp-objdump cr "
        b"crmsh crystal cs csh csharp cshtml cson csp css csv cu cucumber cuda cue cxx cxx-objdump "
        b"cypher cython d d-objdump dart dataweave dax dcl delphi desktop dfm dhall diff django "
        b"dns-zone do docker dockerfile dosbatch dosini dpatch dpr dts duby dylan ebnf ec ecl "
        b"editorconfig edn eiffel ejs elisp elixir elm emacs emacs-lisp email eml erb erl erlang "
        b"ex exs f# f90 f95 factor fan fancy feature fennel fish flix fnl forth fortran foxpro fs "
        b"fsharp fstar ftl futhark fy g4 gams gap gas gawk gcode gd gdscript gedcom gemspec genshi "
        b"gherkin gitignore gleam glsl gml gms gn gni go go-module golang golo gosu gradle graphql "
        b"groff groovy gst gyp h h++ haml handlebars hare haskell haxe hbs hcl hh hlsl hoon hpp hs "
        b"html htmlbars htmldjango http hx hxml hxsl hxx hy hylang i7 iced icl icon idl idr idris "
        b"ignore igor igorpro ik inform7 ini ino io ioke irb irc isabelle j jade janet jasmin java "
        b"javascript jcl jinja jinja2 jl jolie jq js json json5 jsonc jsonld jsonnet jsp jsx julia "
        b"julia-repl k kid koka kotlin kql ksh kt ktm kts kusto lagda lasso lassoscript latex "
        b"latte ld ldif lean lean4 less lhaskell lhs lid lidr lilypond limbo linker-script liquid "
        b"lisp literate-agda literate-haskell live-script livescript llvm logos logtalk lolcode ls "
        b"lsl lua luau ly m m2 macaulay2 mak make makefile mako man markdown mask mata mathematica "
        b"matlab mawk maxima maxscript mcfunction md mediawiki mel mercury meson mf minid "
        b"miniscript mips mizar mjs mk mkd mkdown ml mm mma modelica mojo monkey moo moocode moon "
        b"moonscript mq4 mq5 mql4 mql5 ms mupad mustache mxml myghty mysql n1ql nasm nawk nb nc "
        b"ncl nemerle neon nesc nestedtext newlisp nginx nginxconf nim nimrod nit nix nixos nroff "
        b"nsh nsi nsis nt numpy obj-c obj-c++ obj-j objc objc++ objdump objective-c objective-c++ "
        b"objective-j objectivec objectivec++ objectivej objectpascal objj ocaml octave odin ooc "
        b"opa opencl openedge openqasm openrc openscad org osascript oxygene oz pan pas pascal "
        b"patch pawn pb pbi pcmk pddl pde perl perl6 pgsql php php3 php4 php5 pig pike pl pl6 "
        b"plist plpgsql plsql pm po podspec pony portugol posh postgres postgresql postscr "
        b"postscript pot pov powerquery powershell pp pq praat processing procfile progress prolog "
        b"promela promql properties proto protobuf ps1 psm1 pug puppet purebasic purescript purs "
        b"pwsh py py3 pycon pyi pyrex pytb python python-console python3 pyx q qasm qbasic qbs ql "
        b"qml qs qsharp r racket ragel ragel-rb ragel-ruby raku razor rb rd re reason reasonml "
        b"rebol red redcode regex rego renpy res rescript resource rest restructuredtext rexx "
        b"rhtml rkt roboconf robot robotframework rpy rq rs rsl rss rst ruby rust s sage salt sas "
        b"sass sbatch sc scad scala scaml scd scheme sci scilab scm scss sed sh sh-session shell "
        b"shell-session shellsession shen sieve singularity slash slim sln sls slurm smali "
        b"smalltalk smarty smithy sml sol solidity soong soy sp sparql spec splus sqf sql squeak "
        b"squirrel st stan starlark stata styl stylus supercollider sv svg svh swift swig systemd "
        b"systemverilog tact tap tcl tcsh tea teal terraform tex text textile tf thor thrift toml "
        b"ts tsql tsx ttl turtle twig txt typescript typoscript typst uc ucode udiff unrealscript "
        b"v vala vapi vb vb.net vba vbnet vbs vbscript vcl velocity verilog vhdl vim visual-basic "
        b"vue vyper wasm wast wat webidl webmanifest wgsl whiley wiki wikitext winbatch wl wolfram "
        b"wren wsf x++ x10 xbase xhtml xls xlsx xml xojo xq xql xqm xquery xqy xsd xsl xslt xten "
        b"xtend yaml yang yar yara yml zeek zep zephir zig zone zsh "
        # Words for text that is in no language, and for what shells print or read.
        b"ansi bash-session cangjie code conf config curl dotenv env log logql no-highlight "
        b"nohighlight none output plain plaintext python2 shellscript terminal tree"
    ).split()
)
