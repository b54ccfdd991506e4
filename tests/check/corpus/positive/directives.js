// What AngularJS makes anew for each element and each visit: directives, components, routes.
app.directive("gauge", function (socket) {
  return {
    restrict: "E",
    link: function (scope, element) {
      socket.on("pressure", (value) => turn(element, value)); // expect: listener-without-cleanup
    },
  };
});

app.directive("lamp", () => ({
  link(scope, element) {
    const line = io("/lamps"); // expect: client-in-handler
    line.on("switched", (lit) => element.toggleClass("lit", lit));
  },
}));

app.component("berths", {
  templateUrl: "berths.html",
  controller: function (socket) {
    const harbour = this;
    harbour.$onInit = function () {
      socket.on("moored", (ship) => harbour.ships.push(ship)); // expect: listener-without-cleanup
    };
  },
});

app.config(($stateProvider) => {
  $stateProvider.state("pilot", {
    url: "/pilot",
    controller: [
      "$scope",
      "socket",
      function ($scope, socket) {
        $scope.follow = () => socket.on("course", (course) => ($scope.course = course)); // expect: listener-without-cleanup
        $scope.follow();
      },
    ],
  });
});
