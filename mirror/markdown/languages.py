"""The languages of code that highlighters know. A generator shows a fence in one of them as code.

These are the names, aliases and file suffixes that at least two of Pygments 2.19, Linguist 9.5,
Prism 1.30, highlight.js 11.12 and Shiki 4.6 have, without those of diagrams, maps and mixes
(`css+django`). If a language is missing here, `mirror leftovers` has a line too many, and only for
code that has an address of a source.
"""

from __future__ import annotations

LANGUAGES = frozenset(
    (
        b"1c abap abl abnf aconf actionscript actionscript3 ada ada2005 ada95 ado adoc agda ahk al "
        b"alloy ampl angelscript antlr apache apacheconf apex apl applescript arduino arexx armasm "
        b"art arturo as as3 asc asciidoc asm asn1 aspectj aspx-vb astro atom augeas autohotkey "
        b"autoit avdl avro-idl awk b3d ballerina bash basic bat batch bazel bbcode be befunge "
        b"berry bf bib bibtex bicep bird bird2 bison blade blitzbasic blitzmax blueprint bmax bnf "
        b"boo boogie bplus bqn brainfuck brightscript bro bsdmake bsl bst c c# c++ c-objdump c3 "
        b"cadence cairo capnp carbon cc cdc ceylon cfc cfg cfm chaiscript chapel chpl cil cirru "
        b"cjs cl clarity clean clipper clj cljs clojure closure-templates cmake cmd cobol "
        b"codeowners codeql coffee coffee-script coffeescript common-lisp console coq cp cpp "
        b"cpp-objdump cql cr crmsh crystal cs csh csharp cshtml cson csp css csv cts cu cucumber "
        b"cuda cue cxx cxx-objdump cypher cython d d-objdump dart dataweave dax dcl delphi desktop "
        b"dfm dhall diff django dns-zone do docker dockerfile dosbatch dosini dotenv dpatch dpr "
        b"dts duby dylan ebnf ec ecl edge editorconfig edn eiffel ejs elisp elixir elm emacs "
        b"emacs-lisp email eml erb erl erlang ex exs f f# f03 f08 f77 f90 f95 factor fan fancy "
        b"feature fennel fish flix fluent fnl for forth fortran fortran-free-form foxpro fs fsharp "
        b"fstar ftl futhark fy g4 gams gap gas gawk gcode gd gdscript gdshader gedcom gemspec "
        b"genie genshi gherkin git-commit gitignore gjs gleam glimmer-js glimmer-ts glsl gml gms "
        b"gn gni go go-module golang golo gosu gql gradle graphql groff groovy gst gts gyp h h++ "
        b"hack haml handlebars hare haskell haxe hbs hcl hh hlsl hoon hpp hs html htmlbars "
        b"htmldjango http hurl hx hxml hxsl hxx hy hylang i7 iced icl icon idl idr idris ignore "
        b"igor igorpro ik imba inform7 ini ino io ioke irb irc isabelle j jade janet jasmin java "
        b"javascript jcl jinja jinja2 jison jl jolie jq js json json5 jsonc jsonl jsonld jsonnet "
        b"jsp jsx julia julia-repl just justfile k kdl kid koka kotlin kql ksh kt ktm kts kusto "
        b"lagda lasso lassoscript latex latte ld ldif lean lean4 less lhaskell lhs lid lidr "
        b"lilypond limbo linker-script liquid lisp literate-agda literate-haskell live-script "
        b"livescript llvm log logos logtalk lolcode ls lsl lua luau ly m m2 macaulay2 mak make "
        b"makefile mako man markdown marko mask mata mathematica matlab mawk maxima maxscript mbt "
        b"mcfunction md mdx mediawiki mel mercury meson mf minid miniscript mips mipsasm mizar mjs "
        b"mk mkd mkdown ml mm mma modelica mojo monkey moo moocode moon moonbit moonscript move "
        b"mq4 mq5 mql4 mql5 ms mts mupad mustache mxml myghty mysql n1ql nasm nawk nb nc ncl "
        b"nemerle neon nesc nestedtext newlisp nextflow nf nginx nginxconf nim nimrod nit nix "
        b"nixos nroff nsh nsi nsis nt nu numpy nushell obj-c obj-c++ obj-j objc objc++ objdump "
        b"objective-c objective-c++ objective-j objectivec objectivec++ objectivej objectpascal "
        b"objj ocaml octave odin ooc opa opencl openedge openqasm openrc openscad org osascript "
        b"oxygene oz pan pas pascal patch pawn pb pbi pcmk pddl pde perl perl6 pgsql php php3 php4 "
        b"php5 pig pike pkl pl pl6 plist plpgsql plsql pm po podspec polar pony portugol posh "
        b"postcss postgres postgresql postscr postscript pot pov powerquery powershell pp pq praat "
        b"prisma processing procfile progress prolog promela promql properties proto protobuf ps "
        b"ps1 psm1 pug puppet purebasic purescript purs pwsh py py3 pycon pyi pyrex pytb python "
        b"python-console python3 pyx q qasm qbasic qbs ql qml qs qsharp r racket ragel ragel-rb "
        b"ragel-ruby raku razor rb rbs rd re reason reasonml rebol red redcode reg regex regexp "
        b"rego renpy res rescript resource rest restructuredtext rexx rhtml rkt roboconf robot "
        b"robotframework ron rosmsg rpy rq rs rsl rss rst ruby rust s sage salt sas sass sbatch sc "
        b"scad scala scaml scd scheme sci scilab scm scss sed sh sh-session shader shaderlab shell "
        b"shell-session shellsession shen sieve singularity slash slim sln sls slurm smali "
        b"smalltalk smarty smithy sml sol solidity soong soy sp sparql spec splus sqf sql squeak "
        b"squirrel ssh-config st stan starlark stata styl stylus supercollider surql surrealql sv "
        b"svelte svg svh swift swig systemd systemverilog tact talon tap tcl tcsh tea teal templ "
        b"terraform tex text textile tf tfvars thor thrift toml tres ts tscn tsp tsql tsv tsx ttl "
        b"turtle twig txt typ typescript typespec typoscript typst uc ucode udiff unrealscript v "
        b"vala vapi vb vb.net vba vbnet vbs vbscript vcl velocity verilog vhdl vim viml vimscript "
        b"visual-basic vue vy vyper wasm wast wat webidl webmanifest wgsl whiley wiki wikitext "
        b"winbatch wit wl wolfram wren wsf x++ x10 xbase xhtml xls xlsx xml xojo xq xql xqm xquery "
        b"xqy xsd xsl xslt xten xtend yaml yang yar yara yml zeek zenscript zep zephir zig zone "
        b"zsh "
        # Words for text that is in no language, and for what shells print or read.
        b"ansi bash-session cangjie code conf config curl env logql no-highlight nohighlight none "
        b"output plain plaintext python2 shellscript terminal tree"
    ).split()
)
